import Datasets
import TestSupport
import Testing
import Tokenizers

/// What files hold that may not be what was meant.
@Suite struct TextFindingsTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func text(
    _ paths: [String], separator: String? = nil
  ) throws -> TokenizedText {
    try TokenizedText.prepare(
      paths, relativeTo: folder.path, use: "training", encoding: .init(separator: separator),
      tokenizer: ByteTokenizer(), cacheFolder: folder["cache"])
  }

  @Test(arguments: ["a.jsonl", "a.JSONL", "a.Jsonl", "a.ndjson", "a.NDJSON"])
  func rowsByAnySpelling(_ name: String) throws {
    try folder.write("{\"text\": \"one\"}\n{\"text\": \"two\"}\n", to: "t/" + name)
    for path in ["t", "t/" + name, "t/*"] {
      let text = try text([path])
      #expect(text.stream.documentCount == 2 && text.stream.bytes == 6)
      #expect(text.warnings == [])
    }
    try folder.write("no row", to: "t/" + name)
    #expect(throws: DatasetError.self) { try self.text(["t"]) }
  }

  @Test func filesForOtherProgramsAreSaid() throws {
    for name in ["a.csv", "b.CSV", "c.tsv", "d.html", "e.htm", "f.xml", "g.json", "h.txt", "i.md"] {
      try folder.write("text", to: "t/" + name)
    }
    let found = try text(["t"])
    #expect(found.files.count == 9 && found.warnings.count == 6)
    let csv = found.warnings.filter { $0.contains(".csv") }
    #expect(csv.count == 1 && csv[0].contains("and 1 more .csv: read as plain text"))
    #expect(found.warnings.contains { $0.contains("d.html") && $0.contains("tags and all") })
    #expect(try text(["t/g.json"]).warnings.count == 1)
  }

  /// A page about such marks, or a program's source, is no text with marks in it.
  @Test func quotedMarksAreWords() throws {
    try folder.write("after `<|im_end|>`, not \"<|endoftext|>\" nor '</s>'", to: "page.md")
    #expect(try text(["page.md"]).warnings == [])
    try folder.write("`<|im_end|>` once, then one<|im_end|>", to: "chat.txt")
    #expect(try text(["chat.txt"]).warnings.count == 1)
  }

  @Test func whatIsNoTextIsSkippedOrAnError() throws {
    try folder.write("%PDF-1.4 all letters", to: "t/a.pdf")
    try folder.write([0x50, 0x4B, 0, 1], to: "t/b.docx")
    try folder.write("text", to: "t/c.txt")
    let found = try text(["t"])
    #expect(found.files.count == 1 && found.warnings.count == 2)
    #expect(found.warnings[0].contains("found a PDF file"))
    for name in ["t/a.pdf", "t/b.docx"] {
      let error = #expect(throws: DatasetError.self) { try text([name]) }
      #expect(error?.category == .badData)
    }
  }

  @Test func separatorsThatNeverOccurAreSaid() throws {
    try folder.write("one<|endoftext|>two", to: "t.txt")
    #expect(try text(["t.txt"], separator: "<|endoftext|>").warnings == [])
    let missing = try text(["t.txt"], separator: "<|endofttext|>").warnings
    #expect(missing.count == 1 && missing[0].contains("never occurs"))
    // Across the border of two chunks it is seen.
    for shift in 0..<14 {
      let long = String(repeating: "x", count: (1 << 20) - shift)
      try folder.write(long + "<|endoftext|>y", to: "long.txt")
      #expect(try text(["long.txt"], separator: "<|endoftext|>").warnings == [])
    }
  }

  @Test(arguments: ["<|endoftext|>", "</s>", "<eos>"])
  func marksWithoutASeparatorAreSaid(_ mark: String) throws {
    try folder.write("one\(mark)two", to: "t.txt")
    let warnings = try text(["t.txt"]).warnings
    #expect(warnings.count == 1)
    #expect(
      warnings.first?.contains("plain characters, \(mark.utf8.count) tokens") == true
        && warnings.first?.contains("set data.document_separator to \"\(mark)\"") == true)
    #expect(try text(["t.txt"], separator: mark).warnings == [])
    // Rows are documents by themselves.
    try folder.write("{\"text\": \"one\(mark)\"}", to: "r.jsonl")
    #expect(try text(["r.jsonl"]).warnings == [])
  }
}
