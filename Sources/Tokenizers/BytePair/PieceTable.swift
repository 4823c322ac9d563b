/// The pieces of a vocabulary: spellings by id, and ids by spelling.
struct PieceTable {
  /// All spellings, one behind the other.
  private var text: [UInt8] = []
  private var starts: [UInt32] = []
  private var lengths: [UInt32] = []
  private var used: [Bool] = []
  /// Ids by the hash of their spelling, open addressing; −1 is free.
  private var slots = [Int32](repeating: -1, count: 1 << 10)
  /// Number of pieces.
  private(set) var count = 0
  private let seed = UInt64.random(in: .min ... .max) | 1

  /// Highest id and one; some ids below may have no piece.
  var idCount: Int { starts.count }

  /// What keeps a piece out of the table.
  enum Conflict { case idTaken, spellingTaken }

  /// Adds a piece. The caller bounds ids: the table takes room for all ids below.
  mutating func insert(_ spelling: [UInt8], id: Int32) -> Conflict? {
    let place = Int(id)
    if place < used.count, used[place] { return .idTaken }
    if 2 * (count + 1) > slots.count { grow() }
    let slot = spelling.withUnsafeBytes { self.slot(of: $0) }
    guard slots[slot] < 0 else { return .spellingTaken }
    if place >= starts.count {
      let missing = place + 1 - starts.count
      starts.append(contentsOf: repeatElement(0, count: missing))
      lengths.append(contentsOf: repeatElement(0, count: missing))
      used.append(contentsOf: repeatElement(false, count: missing))
    }
    slots[slot] = id
    starts[place] = UInt32(text.count)
    lengths[place] = UInt32(spelling.count)
    used[place] = true
    text += spelling
    count += 1
    return nil
  }

  /// The id of a spelling; nil if there is none.
  func id(_ spelling: UnsafeRawBufferPointer) -> Int32? {
    let id = slots[slot(of: spelling)]
    return id < 0 ? nil : id
  }

  /// The id of a spelling; nil if there is none.
  func id(_ spelling: [UInt8]) -> Int32? { spelling.withUnsafeBytes { id($0) } }

  /// The id of a spelling; nil if there is none.
  func id(_ spelling: String) -> Int32? { id(Array(spelling.utf8)) }

  /// Whether an id has a piece.
  func contains(_ id: Int32) -> Bool { id >= 0 && Int(id) < used.count && used[Int(id)] }

  /// The spelling of an id; empty for an id without a piece.
  func spelling(of id: Int32) -> ArraySlice<UInt8> {
    guard contains(id) else { return [] }
    let start = Int(starts[Int(id)])
    return text[start..<start + Int(lengths[Int(id)])]
  }

  /// The slot that holds a spelling, or the free one where it would go.
  private func slot(of spelling: UnsafeRawBufferPointer) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash(spelling, seed: seed)) & mask
    return text.withUnsafeBytes { text in
      while slots[slot] >= 0 {
        let id = Int(slots[slot])
        let (start, length) = (Int(starts[id]), Int(lengths[id]))
        if length == spelling.count,
          spelling.elementsEqual(text[start..<start + length])
        {
          break
        }
        slot = (slot + 1) & mask
      }
      return slot
    }
  }

  private mutating func grow() {
    let ids = slots.filter { $0 >= 0 }
    slots = .init(repeating: -1, count: slots.count * 2)
    for id in ids {
      let slot = Array(spelling(of: id)).withUnsafeBytes { self.slot(of: $0) }
      slots[slot] = id
    }
  }
}

/// A hash of bytes for tables in memory; the seed keeps a file from choosing what collides.
func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
  var hash = seed ^ UInt64(truncatingIfNeeded: bytes.count)
  func mix(_ word: UInt64) {
    let (high, low) = (hash ^ word).multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
    hash = (high ^ low) &+ seed
  }
  var offset = 0
  while offset + 8 <= bytes.count {
    mix(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    offset += 8
  }
  var rest: UInt64 = 0
  while offset < bytes.count {
    rest = rest << 8 | UInt64(bytes[offset])
    offset += 1
  }
  mix(rest)
  return hash
}
