/// Ids of words seen before. Bounded: when it is full, it begins anew.
struct WordCache {
  private struct Slot {
    var hash: UInt64
    var text: UInt32
    var ids: UInt32
    var textCount: UInt16
    /// 0xFFFF marks a free slot.
    var idCount: UInt16

    static let free = Slot(hash: 0, text: 0, ids: 0, textCount: 0, idCount: .max)
  }

  /// Bytes of the longest word that is kept.
  static let longestWord = 64
  private static let slotCount = 1 << 16
  private static let maximumBytes = 1 << 20

  private var slots: [Slot] = []
  private var text: [UInt8] = []
  private var ids: [Int32] = []
  private var count = 0
  private let seed = UInt64.random(in: .min ... .max) | 1

  func hash(_ word: UnsafeRawBufferPointer) -> UInt64 {
    Tokenizers.hash(word, seed: seed)
  }

  /// Appends the ids of a word; false if it is not known.
  func append(_ word: UnsafeRawBufferPointer, _ hash: UInt64, to result: inout [Int32]) -> Bool {
    guard !slots.isEmpty else { return false }
    let slot = slots[slot(word, hash)]
    guard slot.idCount != .max else { return false }
    for index in Int(slot.ids)..<Int(slot.ids) + Int(slot.idCount) { result.append(ids[index]) }
    return true
  }

  /// Keeps the ids of a word that is not known yet.
  mutating func insert(
    _ word: UnsafeRawBufferPointer, _ hash: UInt64, _ wordIDs: ArraySlice<Int32>
  ) {
    guard wordIDs.count <= 4 * Self.longestWord else { return }
    let isFull =
      4 * count >= 3 * Self.slotCount || text.count > Self.maximumBytes
      || ids.count > Self.maximumBytes / 2
    if slots.isEmpty || isFull {
      slots = .init(repeating: .free, count: Self.slotCount)
      text.removeAll(keepingCapacity: true)
      ids.removeAll(keepingCapacity: true)
      count = 0
    }
    slots[slot(word, hash)] = Slot(
      hash: hash, text: UInt32(text.count), ids: UInt32(ids.count), textCount: UInt16(word.count),
      idCount: UInt16(wordIDs.count))
    text += word
    ids += wordIDs
    count += 1
  }

  /// The slot that holds a word, or the free one where it would go.
  private func slot(_ word: UnsafeRawBufferPointer, _ hash: UInt64) -> Int {
    let mask = Self.slotCount - 1
    var index = Int(truncatingIfNeeded: hash) & mask
    return text.withUnsafeBytes { text in
      while slots[index].idCount != .max {
        let slot = slots[index]
        if slot.hash == hash, Int(slot.textCount) == word.count,
          text[Int(slot.text)..<Int(slot.text) + word.count].elementsEqual(word)
        {
          break
        }
        index = (index + 1) & mask
      }
      return index
    }
  }
}
