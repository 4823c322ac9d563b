/// Places in a text that was not split into words where no merge can reach across: before a
/// character that stands for a space, behind another one.
struct WordBoundaries: Sendable {
  /// The character that stands for a space.
  let space: [UInt8]
  /// Last characters of pieces that merge with a piece that begins with a space.
  private let crossing: Set<Unicode.Scalar>

  /// - Parameter crossing: the last characters of pieces that merge with one that begins with
  ///   `space`, but for `space` itself.
  init(space: [UInt8], crossing: Set<Unicode.Scalar>) {
    self.space = space
    self.crossing = crossing
  }

  /// Whether no merge reaches from an ASCII letter to a space behind it.
  var keepLettersApart: Bool {
    !crossing.contains { $0.isASCII && $0.properties.isAlphabetic }
  }

  /// The first boundary behind `start`, or the end of the text.
  func next(in text: UnsafeRawBufferPointer, after start: Int) -> Int {
    var position = start + 1
    while position + space.count <= text.count {
      if text[position] == space[0], isBoundary(text, position, from: start) { return position }
      position += 1
    }
    return text.count
  }

  private func isBoundary(
    _ text: UnsafeRawBufferPointer, _ position: Int, from start: Int
  ) -> Bool {
    guard isSpace(text, position) else { return false }
    var before = position - 1
    while before > start, text[before] & 0xC0 == 0x80 { before -= 1 }
    guard !isSpace(text, before) else { return false }
    guard !crossing.isEmpty else { return true }
    let scalar = String(decoding: text[before..<position], as: UTF8.self).unicodeScalars.first
    return scalar.map { !crossing.contains($0) } ?? false
  }

  private func isSpace(_ text: UnsafeRawBufferPointer, _ position: Int) -> Bool {
    text.count - position >= space.count
      && text[position..<position + space.count].elementsEqual(space)
  }
}
