import Datasets
import Storage
import Tensors
import TestSupport
import Testing
import Tokenizers

#if canImport(Glibc)
  import Glibc
#endif

/// Rows of JSON Lines: what they become, and which files are refused.
@Suite struct RowTests {
  private let folder: TemporaryFolder
  private let tokenizer: any Tokenizer

  init() throws {
    folder = try TemporaryFolder()
    tokenizer = try SmallModel.bytes().withUnsafeBytes {
      try SentencePieceTokenizer(serialized: $0)
    }
  }

  private func text(
    _ lines: String..., trainOn: TrainOn = .completions, appendEOS: Bool = false
  ) throws -> TokenizedText {
    try folder.write(lines.joined(separator: "\n"), to: "rows.jsonl")
    return try prepare(trainOn: trainOn, appendEOS: appendEOS)
  }

  private func prepare(
    _ name: String = "rows.jsonl", trainOn: TrainOn = .completions, appendEOS: Bool = false
  ) throws -> TokenizedText {
    try TokenizedText.prepare(
      [name], relativeTo: folder.path, use: "training",
      encoding: TextEncoding(appendEOS: appendEOS, rows: RowEncoding(trainOn: trainOn)),
      tokenizer: tokenizer, cacheFolder: folder["cache"])
  }

  private func ids(_ stream: TokenStream) -> [Int32] { (0..<stream.count).map { stream[$0] } }

  @Test func textsAreDocuments() throws {
    let rows = try text(#"{"text": "ab a"}"#, "", #"{"id": [1, {"x": 2}], "text": "c\nd"}"#, "\r")
    try folder.write("ab a", to: "t/1.txt")
    try folder.write("c\nd", to: "t/2.txt")
    let files = try prepare("t")
    #expect(ids(rows.stream) == ids(files.stream))
    #expect(rows.stream.documentCount == 2)
    #expect(rows.stream.scoredCount == rows.stream.count - 1)
    #expect(rows.stream.bytes == files.stream.bytes)
    let ended = try text(#"{"text": "ab a"}"#, #"{"text": ""}"#, appendEOS: true)
    #expect(try ids(ended.stream) == [1] + tokenizer.encode("ab a") + [2])
    #expect(ended.stream.packingReport == nil)
  }

  @Test func pairsEndWithEOSAndCountWhatCompletes() throws {
    let rows = try text(#"{"prompt": "ab a", "completion": "c d", "text": "no", "n": 1e3}"#)
    let prompt = [1] + (try tokenizer.encode("ab a"))
    // The completion goes on where the prompt ends, without another space.
    let completion = (try tokenizer.encode("ac d")).dropFirst() + [2]
    #expect(ids(rows.stream) == prompt + completion)
    #expect(rows.stream.scoredCount == completion.count)
    #expect(rows.stream.bytes == 3)
    let all = try text(#"{"prompt": "ab a", "completion": "c d"}"#, trainOn: .all)
    #expect(ids(all.stream) == ids(rows.stream))
    #expect(all.stream.scoredCount == all.stream.count - 1)
    #expect(all.stream.bytes == 7)
  }

  @Test func instructionsArePairs() throws {
    let rows = try text(
      #"{"instruction": "ab", "input": "cd", "output": "e", "text": "both"}"#,
      #"{"instruction": "ab", "input": null, "output": "e"}"#,
      #"{"instruction": "ab", "output": "e"}"#)
    let pairs = try text(
      #"{"prompt": "ab\n\ncd\n\n", "completion": "e"}"#,
      #"{"prompt": "ab\n\n", "completion": "e"}"#,
      #"{"prompt": "ab\n\n", "completion": "e"}"#)
    #expect(ids(rows.stream) == ids(pairs.stream))
  }

  @Test func textFilesAndRowsStandInOneList() throws {
    try folder.write("ab ab ab ab ab ab ab ab", to: "in/1.txt")
    try folder.write(#"{"prompt": "a", "completion": "b"}"# + "\n", to: "in/2.jsonl")
    try folder.write("c c c", to: "in/3.txt")
    let text = try prepare("in")
    #expect(text.stream.documentCount == 3)
    let corpus = try Corpus.prepare(
      train: ["in"], validation: .none, relativeTo: folder.path, sequenceLength: 4,
      tokenizer: tokenizer, cacheFolder: folder["cache"])
    // Every id but the first of each stretch is a target once; the prompt's don't count.
    let stretches = try ["ab ab ab ab ab ab ab ab", "c c c"].map { try tokenizer.encode($0).count }
    #expect(corpus.train.scoredCount == stretches.reduce(0, +) + 2)
    #expect(corpus.train.packingReport?.rows == 1)
  }

  @Test(arguments: [
    ("{\"text\": \"a\"", "line 2: column 13: found the end"),
    ("{text: 1}", "line 2: column 2: found 't', expected a key in double quotes"),
    ("[1]", "line 2: found a list, expected an object"),
    ("\"text\"", "line 2: found a string, expected an object"),
    ("{\"text\": 5}", "line 2: text: found a number, expected a string"),
    ("{\"text\": null}", "line 2: text: found null, expected a string"),
    ("{\"text\": [\"a\"]}", "line 2: text: found a list, expected a string"),
    ("{\"text\": \"a\", \"text\": \"b\"}", "line 2: the key \"text\" stands twice"),
    ("{\"text\": \"a\\u0000\"}", "line 2: text: found a NUL character (\\u0000), expected text"),
    ("{\"text\": \"\\ud800\"}", "half of a surrogate pair"),
    ("{\"text\": \"a\"} x", "line 2: column 15: found 'x', expected the end of the document"),
    ("{}", "line 2: found none of the keys, expected one of {\"messages\"}"),
    ("{\"prompt\": \"a\"}", "line 2: found only prompt, expected one of"),
    ("{\"conversations\": []}", "line 2: found only conversations, expected one of"),
    ("{\"messages\": {}}", "line 2: messages: found an object, expected a list"),
    ("{\"messages\": [1]}", "line 2: messages[0]: found a number, expected an object"),
    ("{\"messages\": [{\"role\": \"user\"}]}", "line 2: messages[0].content: missing"),
    (
      "{\"messages\": [{\"role\": \"user\", \"content\": [\"a\"]}]}",
      "line 2: messages[0].content: found a list, expected a string"
    ),
    (
      "{\"messages\": [{\"role\": \"tool\", \"content\": \"a\"}]}",
      "line 2: messages[0].role: found \"tool\", expected \"system\" or \"user\" or \"assistant\""
    ),
    (
      "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}",
      "line 2: messages: found none of the role \"assistant\""
    ),
    (
      "{\"prompt\": \"a\", \"completion\": \"b\"}",
      "line 2: found a row of {\"prompt\", \"completion\"}, expected {\"text\"} as in line 1"
    ),
  ])
  func brokenRowsAreRefusedWithTheirLine(line: String, message: String) throws {
    let error = #expect(throws: DatasetError.self) { try text(#"{"text": "a"}"#, line) }
    #expect(error?.category == .badData)
    #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
    #expect(error?.description.contains("rows.jsonl") == true)
    // Nothing is left of a file that was refused.
    #expect(!folder.entries.contains("cache") || Self.names(folder["cache"]).isEmpty)
  }

  private static func names(_ path: String) -> [String] {
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

  @Test func bytesThatAreNoTextAreRefusedWithTheirLine() throws {
    for (bytes, found) in [([0xFF], "byte 0xFF"), ([0x00], "a zero byte")] as [([UInt8], String)] {
      let first = Array("{\"text\": \"a\"}\n{\"text\": \"".utf8)
      try folder.write(first + bytes + Array("\"}\n".utf8), to: "in/rows.jsonl")
      // Also in a folder, where other files that are no text are left out.
      for name in ["in/rows.jsonl", "in"] {
        let error = #expect(throws: DatasetError.self) { try prepare(name) }
        #expect(error?.category == .badData)
        #expect(error?.description.contains("line 2: found \(found), expected UTF-8 text") == true)
      }
    }
  }

  /// Hostile sizes end at once and in little memory.
  @Test func sizesAreBounded() throws {
    let deep = String(repeating: "[", count: 100_000)
    let hostile = [
      (#"{"x": "# + deep, "nested deeper than 64 levels"),
      (#"{"text": "# + deep, "text: found a list, expected a string"),
      (#"{"messages": "# + deep, "messages[0]: found a list, expected an object"),
      (#"{"x": ["# + String(repeating: "0,", count: 2_000_000), "found the end, expected a value"),
    ]
    for (line, message) in hostile {
      let before = peak()
      let error = #expect(throws: DatasetError.self) { try text(line) }
      #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
      #expect(peak() - before < 64 << 20)
    }
    // One line of a gibibyte; the file has no blocks on disk but the last.
    let path = try folder.write("{\"text\": \"", to: "long.jsonl")
    #expect(truncate(path, 1 << 30) == 0)
    let zero = #expect(throws: DatasetError.self) { try prepare("long.jsonl") }
    #expect(zero?.description.contains("line 1: found a zero byte") == true)
    let long = "{\"text\": \"" + String(repeating: "a", count: 1 << 24)
    try folder.write("{\"text\": \"a\"}\n" + long + "\"}", to: "long.jsonl")
    let error = #expect(throws: DatasetError.self) { try prepare("long.jsonl") }
    #expect(error?.description.contains("line 2: found a row of more than 16 MiB") == true)
  }

  /// Peak resident memory of this process in bytes.
  private func peak() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss << 10
  }

  @Test func theNameDecidesAndTheCacheKnows() throws {
    let line = #"{"prompt": "a", "completion": "b"}"#
    let rows = try text(line)
    try folder.write(line, to: "rows.txt")
    #expect(ids(try prepare("rows.txt").stream) != ids(rows.stream))
    // A mask comes back from the cache as it went in.
    let again = try prepare()
    #expect(again.stream.scoredCount == 2)
    #expect(again.stream.contentHash() == rows.stream.contentHash())
    #expect(try prepare(trainOn: .all).stream.contentHash() != rows.stream.contentHash())
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func realPairs() throws {
    let model = try TemporaryFolder.read(SharedData.require("tokenizer-llama2/tokenizer.model"))
    let llama = try model.withUnsafeBytes { try SentencePieceTokenizer(serialized: $0) }
    let path = try SharedData.require("chat/mbpp_pairs.jsonl")
    let corpus = try Corpus.prepare(
      train: [path], validation: .fraction(0.1), sequenceLength: 128, tokenizer: llama,
      cacheFolder: folder["cache"])
    #expect(corpus.train.documentCount == 877)
    #expect(corpus.validation?.documentCount == 97)
    let report = try #require(corpus.train.packingReport)
    #expect(report.rows == 877 && report.splitRows > 0 && report.lostTokens == 0)
    #expect(corpus.warnings.contains { $0.contains("were split: 0 tokens lost") })
    // Few places stay empty.
    #expect(report.emptyPlaces * 20 < report.windows * 128)
    let lines = String(decoding: try TemporaryFolder.read(path), as: UTF8.self).split(
      separator: "\n")
    var completions = 0
    for line in lines.prefix(877) {
      let row = try JSONValue.decode(String(line))
      let text = Array(try #require(row["completion"]?.string).utf8)
      let ids = try text.withUnsafeBytes { try llama.encodeContinuing(utf8: $0) }
      completions += ids.count + 1
    }
    // What stands behind a cut counts like the rest.
    #expect(corpus.train.scoredCount == completions)
  }
}
