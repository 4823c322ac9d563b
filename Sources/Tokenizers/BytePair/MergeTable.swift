/// Which pairs of ids merge: the rank of the pair, lower ones first, and the id that it becomes.
struct MergeTable {
  /// A pair's rank in the upper 32 bits, so that merges compare by it, and the new id in the lower.
  struct Merge: Comparable {
    let bits: UInt64

    /// No merge: above all others.
    static let none = Merge(bits: .max)

    init(rank: Int, id: Int32) { bits = UInt64(rank) << 32 | UInt64(UInt32(bitPattern: id)) }
    private init(bits: UInt64) { self.bits = bits }

    /// The pair's place in the list of merges.
    var rank: UInt32 { UInt32(truncatingIfNeeded: bits >> 32) }
    /// The id that the pair becomes.
    var id: Int32 { Int32(bitPattern: UInt32(truncatingIfNeeded: bits)) }

    static func < (left: Merge, right: Merge) -> Bool { left.bits < right.bits }
  }

  private struct Slot {
    var pair: UInt64
    var merge: Merge
  }

  /// Open addressing; a free slot has a pair that no ids make.
  private var slots: [Slot]
  private let shift: UInt64
  private let factor = UInt64.random(in: .min ... .max) | 1
  private static let free = UInt64.max

  /// - Parameter count: how many merges will be set, at most.
  init(count: Int) {
    var bits: UInt64 = 4
    while 1 << bits < 2 * count { bits += 1 }
    shift = 64 - bits
    slots = .init(repeating: Slot(pair: Self.free, merge: .none), count: 1 << Int(bits))
  }

  /// What two neighbours become; the ids are not negative.
  subscript(left: Int32, right: Int32) -> Merge {
    get { slots[slot(Self.pair(left, right))].merge }
    set {
      let pair = Self.pair(left, right)
      slots[slot(pair)] = Slot(pair: pair, merge: newValue)
    }
  }

  /// Calls `body` with every pair that merges, in no order.
  func forEachPair(_ body: (_ left: Int32, _ right: Int32) -> Void) {
    for slot in slots where slot.pair != Self.free {
      body(
        Int32(truncatingIfNeeded: slot.pair >> 32), Int32(truncatingIfNeeded: slot.pair))
    }
  }

  private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  private func slot(_ pair: UInt64) -> Int {
    let mask = slots.count - 1
    var slot = Int(((pair ^ (pair >> 29)) &* factor) >> shift)
    while slots[slot].pair != pair, slots[slot].pair != Self.free { slot = (slot + 1) & mask }
    return slot
  }
}
