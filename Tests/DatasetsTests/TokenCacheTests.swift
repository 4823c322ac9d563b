import Datasets
import TestSupport
import Testing
import Tokenizers

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct TokenCacheTests {
  private let folder: TemporaryFolder
  private let tokenizer: any Tokenizer

  init() throws {
    folder = try TemporaryFolder()
    tokenizer = try SmallModel.bytes().withUnsafeBytes {
      try SentencePieceTokenizer(serialized: $0)
    }
    try folder.write("ab a|c d|e", to: "t.txt")
  }

  /// The stream's ids, and whether text was encoded for them.
  private func prepare(
    separator: String? = "|", appendEOS: Bool = false, tokenizer other: (any Tokenizer)? = nil
  ) throws -> (ids: [Int32], encoded: Bool) {
    var reports: [(Int, Int)] = []
    let text = try TokenizedText.prepare(
      ["t.txt"], relativeTo: folder.path, use: "training",
      encoding: .init(separator: separator, appendEOS: appendEOS), tokenizer: other ?? tokenizer,
      cacheFolder: folder["cache/of/text"], progress: { reports.append(($0, $1)) })
    if let last = reports.last { #expect(last == (10, 10)) }
    return ((0..<text.stream.count).map { text.stream[$0] }, !reports.isEmpty)
  }

  private var cached: [String] {
    folder.entries.contains("cache") ? names(folder["cache/of/text"]) : []
  }

  private func names(_ path: String) -> [String] {
    guard let stream = opendir(path) else { return [] }
    defer { closedir(stream) }
    var result: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      if !name.hasPrefix(".") { result.append(name) }
    }
    return result
  }

  @Test func theSecondTimeNothingIsEncoded() throws {
    let first = try prepare()
    let second = try prepare()
    #expect(first.encoded)
    #expect(!second.encoded)
    #expect(first.ids == second.ids)
    #expect(cached.count == 1)
    #expect(cached.first?.utf8.count == 64 + ".tokens".count)
  }

  @Test func whateverTheIdsDependOnMakesAnotherFile() throws {
    _ = try prepare()
    #expect(try prepare(separator: nil).encoded)
    #expect(try prepare(appendEOS: true).encoded)
    let other = try SmallModel.bytes(begin: false).withUnsafeBytes {
      try SentencePieceTokenizer(serialized: $0)
    }
    #expect(try prepare(tokenizer: other).encoded)
    try folder.write("ab a|c e|d", to: "t.txt")
    #expect(try prepare().encoded)
    #expect(cached.count == 5)
    // The name and time of a text do not matter, only what is in it.
    try folder.write("ab a|c d|e", to: "t.txt")
    #expect(try !prepare().encoded)
  }

  @Test func damagedFilesAreWrittenAnew() throws {
    let sound = try prepare().ids
    let name = try #require(cached.first)
    let bytes = try folder.read("cache/of/text/" + name)
    // Behind the fields of the header there is filling that means nothing.
    let places = (0..<12).map { $0 } + Array(16..<96) + Array(128..<bytes.count)
    for place in places {
      var damaged = bytes
      damaged[place] ^= 0x41
      try folder.write(damaged, to: "cache/of/text/" + name)
      let again = try prepare()
      #expect(again.encoded, "byte \(place)")
      #expect(again.ids == sound)
    }
    for count in [0, 1, 127, 128, bytes.count - 1] {
      try folder.write(Array(bytes[..<count]), to: "cache/of/text/" + name)
      #expect(try prepare().encoded)
    }
    try folder.write(bytes + [0], to: "cache/of/text/" + name)
    #expect(try prepare().encoded)
    #expect(try folder.read("cache/of/text/" + name) == bytes)
  }

  @Test func aCacheThatCannotBeMadeIsAnError() throws {
    try folder.write("a file", to: "cache")
    let error = #expect(throws: DatasetError.self) { try prepare() }
    #expect(error?.category == .cannotCreate)
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func realTextAgreesWithEncodingEachDocument() throws {
    let model = try TemporaryFolder.read(SharedData.require("stories260K/tok512.model"))
    let tokenizer = try model.withUnsafeBytes { try SentencePieceTokenizer(serialized: $0) }
    let stories = try TemporaryFolder.read(SharedData.require("text/tinystories.txt"))
    // What precedes the cut last story, as text.
    let text = String(decoding: stories.prefix(300_000), as: UTF8.self)
    let end = "<|endoftext|>"
    var parts = text.components(end)
    parts.removeLast()
    try folder.write(parts.joined(separator: end), to: "stories.txt")
    let prepared = try TokenizedText.prepare(
      ["stories.txt"], relativeTo: folder.path, use: "training", encoding: .init(separator: end),
      tokenizer: tokenizer, cacheFolder: folder["cache"])
    let trimmed = parts.map { part in
      String(
        part.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }.filter { !$0.isEmpty }
    var expected: [Int32] = []
    for story in trimmed { expected += [1] + (try tokenizer.encode(story)) }
    #expect(prepared.stream.documentCount == trimmed.count)
    #expect((0..<prepared.stream.count).map { prepared.stream[$0] } == expected)
    #expect(prepared.stream.bytes == trimmed.reduce(0) { $0 + $1.utf8.count })
  }
}

extension String {
  /// What stands between separators.
  fileprivate func components(_ separator: String) -> [String] {
    split(separator: separator, omittingEmptySubsequences: false).map(String.init)
  }
}
