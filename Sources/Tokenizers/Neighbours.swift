/// The characters on either side of a place in a text that is UTF-8, or nearly.
enum Neighbours {
  /// The character that begins at `index`; nil where a byte begins none, or the text ends inside it.
  static func scalar(in text: UnsafeBufferPointer<UInt8>, at index: Int) -> UInt32? {
    guard index < text.count else { return nil }
    let lead = text[index]
    if lead < 0x80 { return UInt32(lead) }
    let length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0
    guard length > 0, index + length <= text.count else { return nil }
    var value = UInt32(lead) & (0x7F >> UInt32(length))
    for byte in text[index + 1..<index + length] {
      guard byte & 0xC0 == 0x80 else { return nil }
      value = value << 6 | UInt32(byte & 0x3F)
    }
    return value
  }

  /// The character that ends before `index`; nil where none does.
  static func scalar(in text: UnsafeBufferPointer<UInt8>, before index: Int) -> UInt32? {
    var start = index - 1
    while start > 0, start > index - 4, text[start] & 0xC0 == 0x80 { start -= 1 }
    guard start >= 0 else { return nil }
    return scalar(in: .init(rebasing: text[..<index]), at: start).flatMap { value in
      width(value) == index - start ? value : nil
    }
  }

  /// Bytes of a character.
  static func width(_ value: UInt32) -> Int {
    value < 0x80 ? 1 : value < 0x800 ? 2 : value < 0x10000 ? 3 : 4
  }

  /// The first place at or behind `position` between two characters of which `isPlace` holds. A place
  /// whose characters are not both known ends the search.
  static func first(
    in text: UnsafeBufferPointer<UInt8>, from position: Int,
    where isPlace: (_ left: UInt32, _ right: UInt32, _ place: Int) -> Bool
  ) -> Int? {
    var index = max(1, position)
    var left: UInt32?
    while index < text.count {
      if text[index] & 0xC0 == 0x80 {
        index += 1
        continue
      }
      guard let right = scalar(in: text, at: index) else { return nil }
      if let left = left ?? scalar(in: text, before: index), isPlace(left, right, index) {
        return index
      }
      left = right
      index += width(right)
    }
    return nil
  }
}
