import Checkpoints
import Storage
import TestSupport
import Testing

/// What a checkpoint's header says about its tokenizer beside the tokenizer's bytes.
@Suite struct TokenizerSettingsTests {
  private let folder: TemporaryFolder
  private let tiny: Checkpoint

  init() throws {
    folder = try TemporaryFolder()
    tiny = try TinyModel.checkpoint(at: folder["tiny"], TinyModel.configuration())
  }

  private func write(_ settings: TokenizerSettings) throws -> Checkpoint {
    var tokenizer = tiny.tokenizer
    tokenizer.settings = settings
    let tiny = tiny
    try CheckpointWriter.write(
      to: folder["x"], configuration: tiny.configuration, tokenizer: tokenizer,
      metadata: ["source": "test"], elementType: .f32
    ) { (name) throws(CheckpointError) in
      tiny.tensor(name).map { .stored($0) } ?? .values([])
    }
    return try Checkpoint.open(folder["x"])
  }

  @Test func whatIsLeftToTheBytesIsNotWritten() throws {
    let copy = try write(TokenizerSettings())
    #expect(copy.contentHash == tiny.contentHash)
    #expect(copy.tokenizerSettings == TokenizerSettings())
  }

  @Test func everySettingIsReadBackAndCarriedAlong() throws {
    var settings = TokenizerSettings()
    settings.beginOfSequence = .id(39)
    settings.endOfSequence = .absent
    settings.addsBeginOfSequence = false
    settings.endsOfText = [3, 7]
    settings.chatTemplate = "{% for message in messages %}«\n»{% endfor %}"
    let checkpoint = try write(settings)
    #expect(checkpoint.tokenizerSettings == settings)
    #expect(checkpoint.tokenizer.settings == settings)
    try Delta.apply(to: checkpoint, deltas: [], output: folder["copy"])
    #expect(try Checkpoint.open(folder["copy"]).tokenizer == checkpoint.tokenizer)
  }

  static let wrong: [(String, JSONValue)] = [
    ("begin_of_sequence", 40), ("begin_of_sequence", -1), ("begin_of_sequence", "<s>"),
    ("end_of_sequence", 1.5), ("adds_begin_of_sequence", 0), ("ends_of_text", 2),
    ("ends_of_text", [40]), ("ends_of_text", [.null]), ("chat_template", .null),
    ("chat_template", ["a"]), ("pad", 1),
  ]

  @Test(arguments: wrong)
  func wrongSettingsAreRefusedByName(_ key: String, _ value: JSONValue) throws {
    var parts = TensorFileParts(try folder.read("tiny"))
    parts.json = parts.json.replacing(["tokenizer", key], with: value)
    let path = try folder.write(parts.sealed, to: "wrong")
    let error = failure { _ = try Checkpoint.open(path) }
    #expect(error?.category == .badData)
    #expect(error?.description.contains("tokenizer.\(key)") == true)
  }
}
