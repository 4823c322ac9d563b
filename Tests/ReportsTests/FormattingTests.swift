import Records
import Reports
import Testing

@Suite struct FormattingTests {
  @Test(
    arguments: [
      (0, "0 ms"), (0.0123, "12 ms"), (0.099, "99 ms"), (0.0999, "0.1 s"), (1.25, "1.3 s"),
      (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (83, "1 min 23 s"),
      (3599.4, "59 min 59 s"), (3600, "1 h 00 min"), (7530, "2 h 05 min"), (273_600, "3 d 4 h"),
      (-1, "?"), (.nan, "?"), (.infinity, "?"), (1e300, "?"),
    ] as [(Double, String)])
  func durations(seconds: Double, text: String) {
    #expect(Format.duration(seconds) == text)
  }

  @Test(arguments: [
    (0, "0"), (999, "999"), (1000, "1.0 k"), (12_345, "12.3 k"), (999_499, "999 k"),
    (999_500, "1.0 M"), (5_300_000, "5.3 M"), (1_100_000_000, "1.1 B"), (-5300, "-5.3 k"),
    (Int.min, "-9223372 T"),
  ])
  func counts(value: Int, text: String) {
    #expect(Format.count(value) == text)
  }

  @Test func amountsOfText() {
    var text = TextAmounts(
      sequenceLength: 16, trainedTokens: 897, trainedDocuments: 2, trainedWindows: 56,
      droppedTokens: 0, heldOutTokens: 103, heldOutDocuments: 1)
    #expect(
      Format.text(text)
        == "text: trains 897 tokens of 2 documents in 56 windows of 16; holds out 103 "
        + "of 1 document (10.3 %)")
    (text.heldOutTokens, text.droppedTokens) = (0, 5)
    #expect(
      Format.text(text) == "text: trains 897 tokens of 2 documents in 56 windows of 16; nothing is "
        + "held out; 5 fill no window")
  }

  @Test func rates() {
    #expect(
      [0, 3, 7.25, 42.4, 12_345.6].map { Format.count($0 as Double) }
        == ["0", "3", "7.3", "42", "12.3 k"])
    #expect(Format.count(Double.nan) == "?")
  }

  @Test func sharesAndBytesAndLosses() {
    #expect(
      [0, 0.123, 0.999, 1, 1.5].map { Format.percent($0) }
        == ["0.0 %", "12.3 %", "99.9 %", "100 %", "150 %"])
    #expect(Format.bytes(12_897_485) == "12.3 MiB")
    #expect([2.34567, .infinity].map(Format.loss) == ["2.3457", "inf"])
  }

  @Test(arguments: [
    ("", 0), ("abc", 3), ("naïve", 5), ("e\u{301}", 1), ("…▇─", 3), ("日本", 4), ("👍", 2),
    ("a\u{200B}b", 2), ("\t", 0), ("한국", 4), ("❤️", 2),
  ])
  func widths(text: String, width: Int) {
    #expect(displayWidth(text) == width)
  }

  @Test func truncation() {
    #expect(truncated("abcdef", width: 6) == "abcdef")
    #expect(truncated("abcdef", width: 5) == "abcd…")
    #expect(truncated("日本語", width: 5) == "日本…")
    #expect(truncated("日本語", width: 4) == "日…")
    #expect(truncated("abc", width: 0) == "")
  }

  @Test func learningRates() {
    for (rate, text) in [
      (0.004123, "0.00412"), (0.03, "0.0300"), (1, "1.00"), (1.2e-5, "0.0000120"), (0, "0"),
    ] {
      #expect(Format.rate(rate) == text)
    }
  }
}
