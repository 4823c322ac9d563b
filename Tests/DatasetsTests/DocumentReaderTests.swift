import Datasets
import Storage
import TestSupport
import Testing

@Suite struct DocumentReaderTests {
  private func documents(_ text: String, separator: String?) throws -> [String] {
    let folder = try TemporaryFolder()
    let file = try TextFile(path: folder.write(text, to: "text"))
    var reader = DocumentReader(file, separator: separator)
    var result: [String] = []
    while let range = try reader.next() {
      result.append(String(decoding: try file.bytes(range), as: UTF8.self))
    }
    return result
  }

  @Test func aFileIsOneDocumentAsItIs() throws {
    #expect(try documents("  a\n\n", separator: nil) == ["  a\n\n"])
    #expect(try documents("  a\n\n", separator: "") == ["  a\n\n"])
    #expect(try documents("", separator: nil) == [])
  }

  @Test func documentsStandBetweenSeparators() throws {
    let end = "<|endoftext|>"
    #expect(
      try documents("\(end)\n one \n\(end)\n\n\(end) two\n three\t\(end)", separator: end)
        == ["one", "two\n three"])
    #expect(try documents(" only \n", separator: end) == ["only"])
    #expect(try documents(" \n ", separator: end) == [])
    // White space as Unicode has it, and only at the edges.
    #expect(
      try documents("\u{3000}\u{A0}中\u{2003}文\u{2028}|é|\u{85}", separator: "|")
        == ["中\u{2003}文", "é"])
    #expect(try documents("a\n\n\nb\n\nc", separator: "\n\n") == ["a", "b", "c"])
    #expect(try documents("aaaaa", separator: "aa") == ["a"])
    #expect(try documents("x中y", separator: "中") == ["x", "y"])
  }

  @Test func separatorsAcrossChunkBordersAreSeen() throws {
    for shift in 0..<8 {
      let long = String(repeating: "x", count: (1 << 20) - 4 + shift)
      #expect(try documents("\(long)<sep>\(long)", separator: "<sep>") == [long, long])
    }
    let blank = String(repeating: " ", count: 3 << 20)
    #expect(try documents("a\(blank)|\(blank)b\(blank)", separator: "|") == ["a", "b"])
  }
}
