// The inverse of `serialized()`: what a stored tokenizer says, as a table.
extension VocabularyTable {
  /// The table of a stored tokenizer. Encoding a text with many kinds of words, numbers and signs
  /// by the table's own serialised form gives the same ids.
  ///
  /// - Parameters:
  ///   - kind: the tokenizer's kind.
  ///   - bytes: its serialised form.
  /// - Throws: `TokenizerError` for a tokenizer that no table describes.
  public init(kind: String, serialized bytes: UnsafeRawBufferPointer) throws(TokenizerError) {
    let type = try TokenizerKind.named(kind)
    let original = try type.init(serialized: bytes).encode(Self.probe)
    for candidate in try type.tables(of: bytes) where try candidate.probeIDs() == original {
      self = candidate
      return
    }
    throw Self.noTable
  }

  /// The probe's ids by the table's own serialised form.
  private func probeIDs() throws(TokenizerError) -> [Int32] {
    let (kind, bytes) = try serialized()
    let found: Result<[Int32], TokenizerError> = bytes.withUnsafeBytes { bytes in
      Result { () throws(TokenizerError) in
        try TokenizerKind.load(kind, bytes).encode(Self.probe)
      }
    }
    return try found.get()
  }

  /// Writes pieces that text may spell with plain spaces, as `sentencePieceModel()` expects them.
  mutating func spellSpacesPlainly() {
    let known = Set(pieces)
    for id in pieces.indices where type(of: id) == PieceType.userDefined {
      let plain = SpelledSpaces.plain(pieces[id])
      if !known.contains(plain) { pieces[id] = plain }
    }
  }

  private static let noTable = TokenizerError.invalidTable(
    field: "the tokenizer", found: "rules of splitting or normalising text",
    expected: "rules that GGUF files have a name for")

  /// A text that different rules split differently.
  package static let probe = """
    Hello world! I'm sure they'LL say we've 3 apples, 12 pears, 345 nuts and 1234567890 grains.
    \tTabs   and    spaces  \n\n\n  new lines \r\n"quoted" (brackets) [x] {y} <z> #1 $2.50 50% a_b-c/d
    for (int i = 0; i < 10; ++i) { printf("%d\\n", i); } // !!!??? ... --- ***
    Größe, naïve café, ĲSSELMEER straße ΑΒΓ αβγ; Привет, мир! Ёлка 2024. שלום עולם مرحبا ١٢٣ हिन्दी ५६
    日本語のテキスト、中文字符 12个，한국어 문장. ไทย 🙂👍🏽👨‍👩‍👧 e\u{301}te\u{301} ½ Ⅷ ² \u{A0}x\u{3000}y \u{200B}z
    CamelCaseWORDS lowerUPPER Don't DON'T it's IT'S 'tis ’quoted’ a's b'S «x» —– …\n
    """
}
