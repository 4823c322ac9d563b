import Checkpoints
import Storage
import Tensors
import TestSupport
import Testing
import Tokenizers

/// Files of format version 1 (`Tests/Golden/version-1`), and what version 2 says beside them.
@Suite struct FormatVersionTests {
  private static let golden = SharedData.packageRoot + "/Tests/Golden/version-1/"
  private static let baseHash = "98d99aee9cff43cc5a6522a61aa86bfeaad9b35f98bfdf8d6d709cf3d0674f89"

  private func version(_ path: String) throws -> UInt8 { try TemporaryFolder.read(path)[8] }

  @Test func aCheckpointOfVersion1IsRead() throws {
    let path = Self.golden + "base.sfckpt"
    #expect(try version(path) == 1)
    let base = try Checkpoint.open(path)
    #expect(base.contentHash == Self.baseHash)
    #expect(base.configuration.width == 8 && base.configuration.vocabularySize == 32)
    #expect(base.tensors.count == base.configuration.parameters.count)
    #expect(base.tokenizerKind == "sentencepiece")
    let model = try TemporaryFolder.read(Self.golden + "tokenizer.model")
    #expect(base.tokenizerBytes.elementsEqual(model))
    let tokenizer = try TokenizerKind.load(base.tokenizerKind, base.tokenizerBytes)
    #expect(try tokenizer.decode(tokenizer.encode("a cat")) == "a cat")
  }

  /// The model that the project ships.
  @Test func theBundledBaseIsRead() throws {
    let path = SharedData.packageRoot + "/checkpoints/base.sfckpt"
    #expect(try version(path) == 1)
    let base = try Checkpoint.open(path)
    let tokenizer = try TokenizerKind.load(base.tokenizerKind, base.tokenizerBytes)
    #expect(tokenizer.vocabularySize == base.configuration.vocabularySize)
  }

  @Test func aDeltaOfVersion1IsAppliedToItsBase() throws {
    let folder = try TemporaryFolder()
    let base = try Checkpoint.open(Self.golden + "base.sfckpt")
    #expect(try version(Self.golden + "trained.sfdelta") == 1)
    let delta = try Delta.open(Self.golden + "trained.sfdelta")
    #expect(delta.baseHash == Self.baseHash)
    try Delta.apply(to: base, deltas: [(delta, 1)], output: folder["merged"])
    #expect(try version(folder["merged"]) == 2)
    let merged = try Checkpoint.open(folder["merged"])
    #expect(merged.tokenizer == base.tokenizer)
    let up = "layers[0].mlp.up"
    #expect(merged.tensor(up)?.widened() == delta.entries.last?.tensors[0].widened())
    #expect(merged.tensor(up)?.widened() != base.tensor(up)?.widened())
    let touched = Set(delta.entries.map(\.name))
    #expect(touched == [up, "layers[0].attention.output"])
    for tensor in base.tensors where !touched.contains(tensor.name) {
      #expect(merged.tensor(tensor.name)?.data.elementsEqual(tensor.data) == true)
    }
    // Written again in another type, it still belongs to the same base.
    try DeltaWriter.convert(delta, base: base, elementType: .bf16, to: folder["delta"])
    #expect(try version(folder["delta"]) == 1)
    #expect(try Delta.open(folder["delta"]).baseHash == Self.baseHash)
  }

  @Test func aStateOfVersion1IsRead() throws {
    #expect(try version(Self.golden + "state.sfstate") == 1)
    let state = try TrainingState.open(Self.golden + "state.sfstate")
    #expect(state.values["step"] == 2)
    #expect(state.values["base"]?.string == Self.baseHash)
    // Two trained tensors, each with two moments.
    #expect(state.tensors.count == 6)
    #expect(state.tensors.allSatisfy { $0.widened().contains { $0 != 0 } })
  }

  @Test func aDeltaOfAVersionToComeIsRefused() throws {
    let folder = try TemporaryFolder()
    var parts = TensorFileParts(try TemporaryFolder.read(Self.golden + "trained.sfdelta"))
    parts.version = 2
    let path = try folder.write(parts.sealed, to: "delta")
    let error = failure { _ = try Delta.open(path) }
    #expect(
      error?.description == "reading '\(path)': version: found 2, which is not supported; "
        + "expected 1 (is the file newer than this program?)")
  }

  /// Whoever does not need the tokenizer reads a checkpoint whatever its kind.
  @Test func anUnknownKindOfTokenizerIsCarriedAlong() throws {
    let folder = try TemporaryFolder()
    let checkpoint = try TinyModel.checkpoint(
      at: folder["x"], TinyModel.configuration(), tokenizer: [1, 2, 3], kind: "runes")
    #expect(try version(folder["x"]) == 2)
    #expect(checkpoint.tokenizer == StoredTokenizer(kind: "runes", bytes: [1, 2, 3]))
    try Delta.apply(to: checkpoint, deltas: [], output: folder["copy"])
    #expect(try Checkpoint.open(folder["copy"]).tokenizer == checkpoint.tokenizer)
    let error = #expect(throws: TokenizerError.self) {
      try TokenizerKind.load(checkpoint.tokenizerKind, checkpoint.tokenizerBytes)
    }
    #expect(error?.category == .badData)
  }
}
