/// Single spaces between two ASCII letters: the only places where texts are cut.
enum SpaceBetweenLetters {
  /// The first such space at or behind `position`; nil if the text has none there.
  static func next(in text: UnsafeBufferPointer<UInt8>, from position: Int) -> Int? {
    var index = max(1, position)
    while index + 1 < text.count {
      if text[index] == 0x20, isLetter(text[index - 1]), isLetter(text[index + 1]) { return index }
      index += 1
    }
    return nil
  }

  /// Whether a byte is an ASCII letter.
  static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
}
