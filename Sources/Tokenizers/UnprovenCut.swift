/// Where a text is cut that has no place where cutting is known to change no id: behind a line feed,
/// else before a space, else between two characters.
enum UnprovenCut {
  /// A place behind `start` and at or before `end`, which must lie inside the text.
  static func place(
    in text: UnsafeBufferPointer<UInt8>, from start: Int, before end: Int
  ) -> Int {
    let earliest = end - (end - start) / 4
    let tail = text[earliest..<end]
    if let feed = tail.lastIndex(of: 0x0A) { return feed + 1 }
    if let space = tail.lastIndex(of: 0x20), space > start { return space }
    var place = end
    while place > end - 4, place > start + 1, text[place] & 0xC0 == 0x80 { place -= 1 }
    return place - digitsBeyondThrees(in: text, from: start, before: place)
  }

  /// Digits before `place` that are no whole group of three from the run's start on: many models
  /// group digits so, and a cut between two groups changes none behind it.
  private static func digitsBeyondThrees(
    in text: UnsafeBufferPointer<UInt8>, from start: Int, before place: Int
  ) -> Int {
    func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    guard isDigit(text[place]) else { return 0 }
    let digits = text[start..<place].reversed().prefix(while: isDigit).count
    return digits > 3 ? digits % 3 : 0
  }
}
