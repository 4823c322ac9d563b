/// Single spaces between two ASCII letters: the only places where texts are cut.
enum SpaceBetweenLetters {
  /// The first such space at or behind `position`; nil if the text has none there.
  static func next(in text: UnsafeBufferPointer<UInt8>, from position: Int) -> Int? {
    var index = max(1, position)
    while index + 1 < text.count {
      if isAt(index, in: text) { return index }
      index += 1
    }
    return nil
  }

  /// Whether such a space is at a place.
  static func isAt(_ place: Int, in text: UnsafeBufferPointer<UInt8>) -> Bool {
    text[place] == 0x20 && place > 0 && place + 1 < text.count && isLetter(text[place - 1])
      && isLetter(text[place + 1])
  }

  /// Whether a byte is an ASCII letter.
  static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
}
