import Chats
import Datasets
import Storage
import TestSupport
import Testing
import Tokenizers

/// Chats and pairs written by a template.
@Suite struct ChatRowTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func tokenizer() throws -> any Tokenizer {
    let bytes = try TemporaryFolder.read(SharedData.require("smollm2/tokenizer.json"))
    let tokenizer = try bytes.withUnsafeBytes { try TokenizerKind.load("bpe", $0) }
    return SettledTokenizer(
      tokenizer, beginOfSequence: nil, endOfSequence: tokenizer.controlID("<|im_end|>"),
      endsOfText: [])
  }

  private func text(
    _ lines: String..., template: Result<ChatTemplate, ChatError>?, trainOn: TrainOn = .completions,
    tokenizer: any Tokenizer
  ) throws -> TokenStream {
    try folder.write(lines.joined(separator: "\n"), to: "rows.jsonl")
    return try TokenizedText.prepare(
      ["rows.jsonl"], relativeTo: folder.path, use: "training",
      encoding: TextEncoding(rows: RowEncoding(trainOn: trainOn, template: template)),
      tokenizer: tokenizer, cacheFolder: folder["cache"]
    ).stream
  }

  private static let chat =
    #"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes <|im_end|>", "x": 1}]}"#

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func chatsAreWrittenByTheTemplate() throws {
    let tokenizer = try tokenizer()
    let template = try ChatTemplates.named("chatml")
    let stream = try text(Self.chat, template: .success(template), tokenizer: tokenizer)
    let ids = (0..<stream.count).map { stream[$0] }
    let start = try #require(tokenizer.controlID("<|im_start|>"))
    let end = try #require(tokenizer.controlID("<|im_end|>"))
    let line = try tokenizer.encode("\n")
    let answer = try tokenizer.encode("Yes <|im_end|>")
    let question = [start] + (try tokenizer.encode("user\nHi")) + [end] + line
    let prompt = [start] + (try tokenizer.encode("assistant\n"))
    #expect(ids == question + prompt + answer + [end] + line)
    #expect(!answer.contains(end))
    #expect(stream.scoredCount == answer.count + 1)
    #expect(stream.bytes == 14)
    let all = try text(
      Self.chat, template: .success(template), trainOn: .all, tokenizer: tokenizer)
    #expect(all.scoredCount == all.count - 1)
    // A pair is a chat of one question.
    let pair = try text(
      #"{"prompt": "Hi", "completion": "Yes <|im_end|>"}"#, template: .success(template),
      tokenizer: tokenizer)
    #expect((0..<pair.count).map { pair[$0] } == ids && pair.scoredCount == stream.scoredCount)
    // Templates are part of the cache's key.
    var other = template
    other.defaultSystem = "Be brief."
    #expect(try text(Self.chat, template: .success(other), tokenizer: tokenizer).count > ids.count)
  }

  @Test func chatsWithoutATemplateAreRefused() throws {
    let pair = #"{"prompt": "Hi", "completion": "Yes"}"#
    let unknown = ChatError.unrecognised(reason: "strange", known: ["chatml"])
    for (row, template, message, category) in [
      (Self.chat, nil, "the model carries no chat template; name one of chatml", 64),
      (Self.chat, .failure(unknown), "is of no known shape (strange)", 65),
      (pair, .failure(unknown), "is of no known shape (strange)", 65),
    ] as [(String, Result<ChatTemplate, ChatError>?, String, Int)] {
      let error = #expect(throws: DatasetError.self) {
        try text(row, template: template, tokenizer: ByteTokenizer())
      }
      #expect(error?.description.contains("rows.jsonl', line 1: ") == true)
      #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
      #expect(error?.category == (category == 64 ? .usage : .badData))
    }
    // Plain text needs none.
    #expect(
      try text(#"{"text": "a"}"#, template: .failure(unknown), tokenizer: ByteTokenizer()).count
        == 2)
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func realChats() throws {
    let tokenizer = try tokenizer()
    let template = try ChatTemplates.named("chatml")
    let path = try SharedData.require("chat/seed_chats.jsonl")
    let corpus = try Corpus.prepare(
      train: [path], validation: .none, sequenceLength: 512,
      rows: RowEncoding(template: .success(template)), longRows: .drop, tokenizer: tokenizer,
      cacheFolder: folder["cache"])
    let report = try #require(corpus.train.packingReport)
    #expect(report.rows == 175)
    let lines = String(decoding: try TemporaryFolder.read(path), as: UTF8.self).split(
      separator: "\n")
    var (counted, lost) = (0, 0)
    for line in lines {
      let messages = try #require(try JSONValue.decode(String(line))["messages"]?.array)
      var length = 0
      var answers = 0
      for message in messages {
        let content = try #require(message["content"]?.string)
        let role = try #require(message["role"]?.string)
        let ids = try tokenizer.encode(content).count
        let head =
          role == "assistant"
          ? try tokenizer.encode("assistant\n").count + ids
          : try tokenizer.encode(role + "\n" + content).count
        length += head + 3
        if role == "assistant" { answers += ids + 1 }
      }
      if length > 513 { lost += length } else { counted += answers }
    }
    #expect(report.lostTokens == lost && report.droppedRows > 0)
    #expect(corpus.train.scoredCount == counted)
  }
}
