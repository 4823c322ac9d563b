/// Strings that tokenizers treat specially, and texts of them. `docs/tokenizer-study.py` has the
/// same list and the same generator.
enum StressText {
  static let parts = [
    " ", "  ", "   ", "\n", "\n\n", "\r\n", "\t", "a", "b", "the", " The", "é", "e\u{301}", "ﬁ",
    "ſ", "\u{212A}", "'s", "'S", "'ll", "'LL", "’s", "1", "12", "1234", "½", "Ⅷ", "٣", "中", "文",
    "。", "，", "🙂", "👩\u{200D}👩\u{200D}👧", "🇩🇪", "\u{200D}", "\u{FE0F}", "\u{A0}", "\u{3000}",
    "\u{180E}", "\u{2028}", "\u{85}", "\u{FEFF}", "\u{FFFD}", "\0", "\u{1F}", "\u{7F}", "<", ">",
    "</s>", "<|endoftext|>", "<|im_start|>", "▁", "▁▁", "##", "def ", "return\n", "    ",
    "\u{301}", "ß", "İ", "Ǆ", "_", "$", "€", "+", "=", "^", "~", "|", "`", "..", "...", "!?", "-",
    "—", "“", "”", "«", "x=1;", "//", "/*", "http://a.b/c?d=e&f",
  ]

  /// Parts drawn by a linear congruential generator (Knuth's MMIX).
  static func text(parts count: Int, seed: UInt64) -> String {
    var state = seed
    var text = ""
    for _ in 0..<count {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      text += parts[Int((state >> 33) % UInt64(parts.count))]
    }
    return text
  }
}
