/// The trie of a `precompiled_charsmap`, a double array (`NormalizationRules`, which checks it, says
/// what of): a node is known by the place that the labels of its children are counted from.
struct RuleTrie {
  private let units: UnsafeRawBufferPointer

  /// Bytes of the trie, as the map says; 0 for an empty map.
  static func size(of map: UnsafeRawBufferPointer) -> Int {
    map.count >= 4 ? Int(UInt32(littleEndian: map.loadUnaligned(as: UInt32.self))) : 0
  }

  /// - Parameter map: one that is as long as its trie says.
  init(_ map: UnsafeRawBufferPointer) {
    let start = min(4, map.count)
    units = .init(rebasing: map[start..<start + Self.size(of: map)])
  }

  var isEmpty: Bool { units.isEmpty }
  /// The number of units.
  var count: Int { units.count / 4 }
  /// The root's place, in a trie that is not empty.
  var root: Int { Self.offset(unit(0)) }

  func unit(_ index: Int) -> UInt32 {
    UInt32(littleEndian: units.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
  }

  static func offset(_ unit: UInt32) -> Int { Int((unit >> 10) << ((unit & 0x200) >> 6)) }
  static func hasRule(_ unit: UInt32) -> Bool { unit & 0x100 != 0 }
  static func leads(_ unit: UInt32, by label: UInt8) -> Bool {
    unit & 0x8000_00FF == UInt32(label)
  }

  /// A child of the node at a place, and whether a rule ends there; nil if there is none. The trie
  /// must have passed the checks.
  func child(of base: Int, by label: UInt8) -> (place: Int, endsRule: Bool)? {
    let index = base ^ Int(label)
    let node = unit(index)
    guard Self.leads(node, by: label) else { return nil }
    return (index ^ Self.offset(node), Self.hasRule(node))
  }
}
