/// Spaces as SentencePiece's pieces spell them, "▁", and as text has them.
enum SpelledSpaces {
  /// A text with "▁" for every space.
  static func escaped(_ text: String) -> String { replacing(" ", by: "\u{2581}", in: text) }

  /// A piece with a space for every "▁".
  static func plain(_ piece: String) -> String { replacing("\u{2581}", by: " ", in: piece) }

  private static func replacing(
    _ old: Unicode.Scalar, by new: Unicode.Scalar, in text: String
  ) -> String {
    guard text.unicodeScalars.contains(old) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { result.append(scalar == old ? new : scalar) }
    return String(result)
  }
}
