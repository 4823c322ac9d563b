import Reports
import Testing

/// Names from files in messages.
@Suite struct PrintableTextTests {
  @Test func controlCharactersAreSpelledOut() {
    #expect(
      "a\nerror: fine\u{1B}[2J\u{7F}\u{202E}b".printable()
        == #"a\nerror: fine\u{1B}[2J\u{7F}\u{202E}b"#)
    #expect("Ünïcode 漢字 – “q”".printable() == "Ünïcode 漢字 – “q”")
  }

  /// What a model writes keeps its lines and its characters, but not a terminal's commands.
  @Test func textsKeepTheirLines() {
    #expect(
      "a\n\tb \u{1F469}\u{200D}\u{1F680}\r".printableText()
        == "a\n\tb \u{1F469}\u{200D}\u{1F680}\\r")
    #expect("\u{1B}]0;x\u{7}\u{9B}2J".printableText() == #"\u{1B}]0;x\u{07}\u{009B}2J"#)
    var table = Table([.init("name")])
    table.add(["a\u{1B}[31mb\nc"])
    #expect(table.text.hasSuffix(#"a\u{1B}[31mb c"#))
  }

  @Test func longTextsLoseTheirMiddle() {
    let text = String(repeating: "a", count: 1_000_000) + "end"
    let shown = text.printable(limit: 100)
    #expect(shown.hasPrefix("aaa") && shown.hasSuffix("end") && shown.count < 150)
    #expect(shown.contains("[999903 characters]"))
    #expect("short".printable(limit: 5) == "short")
  }

  @Test func onlyIndentedLinesAreLines() {
    #expect("recipe:\n  one\n  two".printableLines() == "recipe:\n  one\n  two")
    #expect("found 'a\nerror: b'".printableLines() == #"found 'a\nerror: b'"#)
    let many = "list:" + String(repeating: "\n  x", count: 1000)
    #expect(many.printableLines(lines: 10).split(separator: "\n").count == 11)
  }
}
