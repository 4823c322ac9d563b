/// A byte-pair vocabulary (Sennrich et al. 2016): what the characters of a word are before anything
/// is merged, and which neighbours merge.
struct BytePairModel: Sendable {
  var pieces = PieceTable()
  var merges = MergeTable(count: 0)
  /// The id of a character that the vocabulary lacks; nil if such characters are dropped.
  var unknown: Int32?
  /// Whether neighbouring unknown characters become one id.
  var fusesUnknown = false
  /// Whether a word that is a piece is taken as it is, even if merges would not lead to it.
  var takesWholeWords = false
  /// Ids that words never become by being a piece: special tokens.
  var special: Set<Int32> = []
  /// Whether bytes, not characters, are what is merged.
  private(set) var isByteLevel = false
  /// Byte-level, the id of each byte; else the ids of the pieces "<0x00>" to "<0xFF>". −1 for none.
  private(set) var byteIDs = [Int32](repeating: -1, count: 256)
  /// The ids of ASCII characters; −1 for none.
  private var asciiIDs = [Int32](repeating: -1, count: 128)
  private(set) var hasByteFallback = false

  /// Looks up the pieces of bytes and characters, once the vocabulary is complete.
  mutating func settle(isByteLevel: Bool, hasByteFallback: Bool) {
    self.isByteLevel = isByteLevel
    self.hasByteFallback = hasByteFallback
    let digits = Array("0123456789ABCDEF")
    for byte in 0...UInt8.max {
      let high = digits[Int(byte >> 4)]
      let low = digits[Int(byte & 15)]
      let spelling =
        isByteLevel ? ByteAlphabet.spelling(of: [byte]) : Array("<0x\(high)\(low)>".utf8)
      byteIDs[Int(byte)] = pieces.id(spelling) ?? -1
      if byte < 0x80 { asciiIDs[Int(byte)] = pieces.id([byte]) ?? -1 }
    }
  }

  /// The id of a word that is taken whole.
  func whole(_ word: UnsafeRawBufferPointer) -> Int32? {
    guard takesWholeWords else { return nil }
    let id = isByteLevel ? pieces.id(ByteAlphabet.spelling(of: word)) : pieces.id(word)
    return id.flatMap { special.contains($0) ? nil : $0 }
  }

  /// Appends the ids of a word's characters, before merging.
  func symbols(of word: UnsafeRawBufferPointer, into symbols: inout [Int32]) {
    if isByteLevel, unknown == nil {
      for byte in word where byteIDs[Int(byte)] >= 0 { symbols.append(byteIDs[Int(byte)]) }
      return
    }
    var hasPending = false
    var position = 0
    while position < word.count {
      let length = isByteLevel ? 1 : Self.length(word[position])
      let range = position..<min(position + length, word.count)
      position = range.upperBound
      if let id = id(of: word, range) {
        if hasPending, let unknown { symbols.append(unknown) }
        hasPending = false
        symbols.append(id)
      } else if hasByteFallback, !isByteLevel, word[range].allSatisfy({ byteIDs[Int($0)] >= 0 }) {
        for byte in word[range] { symbols.append(byteIDs[Int(byte)]) }
      } else if let unknown {
        if hasPending, !fusesUnknown { symbols.append(unknown) }
        hasPending = true
      }
    }
    if hasPending, let unknown { symbols.append(unknown) }
  }

  private func id(of word: UnsafeRawBufferPointer, _ range: Range<Int>) -> Int32? {
    let first = word[range.lowerBound]
    let id: Int32
    if isByteLevel {
      id = byteIDs[Int(first)]
    } else if first < 0x80 {
      id = asciiIDs[Int(first)]
    } else {
      return pieces.id(.init(rebasing: word[range]))
    }
    return id < 0 ? nil : id
  }

  /// Bytes of the character that a byte begins.
  private static func length(_ byte: UInt8) -> Int {
    byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
  }
}
