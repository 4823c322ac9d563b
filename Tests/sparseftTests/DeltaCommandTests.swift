import Checkpoints
import Storage
import Tensors
import TestSupport
import Testing

/// `export-delta` and `apply-delta` on what real runs trained.
@Suite struct DeltaCommandTests {
  static let methods = [
    #"{"type": "full"}"#, #"{"type": "lora", "rank": 4}"#,
    #"{"type": "sparse", "tensors": {"layers[2].mlp.down": 0.5, "embedding": 0.25}}"#,
  ]

  @Test(arguments: methods)
  func aMergedCheckpointScoresAsTheDeltaDoes(_ method: String) throws {
    let shop = try Workshop(method: method)
    try shop.finetune()
    let base = try loss(shop, "tiny.sfckpt")
    for (type, tolerance) in [("f32", 1e-5), ("bf16", 1e-3), ("int8", 1e-2)] {
      let file = "\(type).sfdelta"
      let exported = try shop.succeed(["export-delta", "run", "-o", file, "--dtype", type])
      #expect(exported.output == "")
      #expect(exported.error.hasPrefix("\(file): "))
      try shop.succeed(["apply-delta", "--model", "tiny.sfckpt", "--delta", file, "-o", "m.sfckpt"])
      let withDelta = try loss(shop, "tiny.sfckpt", delta: file)
      #expect(abs(try loss(shop, "m.sfckpt") - withDelta) < 1e-5)
      let trained = try loss(shop, "tiny.sfckpt", delta: "run/best/trained.sfdelta")
      #expect(abs(withDelta - trained) < tolerance, "\(type)")
      #expect(trained < base)
    }
    let sizes = try ["f32", "bf16", "int8"].map { try shop.folder.read("\($0).sfdelta").count }
    #expect(sizes[0] > sizes[1])
    #expect(sizes[1] > sizes[2])
  }

  @Test func deltasScaleAndAddUp() throws {
    let shop = try Workshop(method: #"{"type": "norms"}"#)
    try shop.finetune()
    let delta = "run/best/trained.sfdelta"
    let base = try loss(shop, "tiny.sfckpt")
    func merged(_ arguments: String...) throws -> Double {
      try shop.succeed(["apply-delta", "--model", "tiny.sfckpt", "-o", "m.sfckpt"] + arguments)
      return try loss(shop, "m.sfckpt")
    }
    #expect(abs(try merged("--delta", delta, "--scale", "0") - base) < 1e-6)
    let twice = try merged("--delta", delta, "--delta", delta)
    #expect(abs(try merged("--delta", delta, "--scale", "2") - twice) < 1e-5)
  }

  @Test func exportTakesASnapshotToo() throws {
    let shop = try Workshop(method: #"{"type": "norms"}"#)
    try shop.finetune()
    try shop.succeed(["export-delta", "run", "-o", "run.sfdelta"])
    try shop.succeed(["export-delta", "run/best", "-o", "folder.sfdelta"])
    try shop.succeed(["export-delta", "run/best/trained.sfdelta", "-o", "file.sfdelta"])
    let bytes = try shop.folder.read("run.sfdelta")
    #expect(try shop.folder.read("folder.sfdelta") == bytes)
    #expect(try shop.folder.read("file.sfdelta") == bytes)
  }

  @Test func aDeltaCarriesNoText() throws {
    let shop = try Workshop()
    try shop.folder.write(
      Workshop.text(sentences: 60) + "the xylophone secret.\n", to: "text.txt")
    try shop.finetune()
    try shop.succeed(["export-delta", "run", "-o", "out.sfdelta"])
    let bytes = String(decoding: try shop.folder.read("out.sfdelta"), as: UTF8.self)
    #expect(!bytes.contains("xylophone"))
  }

  @Test func anotherBaseIsRefused() throws {
    let shop = try Workshop(method: #"{"type": "norms"}"#)
    try shop.finetune()
    _ = try TinyModel.checkpoint(
      at: shop.folder["other.sfckpt"], Workshop.configuration,
      tokenizer: TemporaryFolder.read(Workshop.tokenizerPath))
    let delta = "run/best/trained.sfdelta"
    let other = try Checkpoint.open(shop.folder["other.sfckpt"])
    let base = try Checkpoint.open(shop.folder["tiny.sfckpt"])
    let text = """
      error: applying '\(delta)' to 'other.sfckpt': the delta was trained on the checkpoint with \
      content hash \(base.contentHash), this one has \(other.contentHash); pass the checkpoint \
      that it was trained on

      """
    let attempts = [
      ["apply-delta", "--model", "other.sfckpt", "--delta", delta, "-o", "m.sfckpt"],
      ["eval", "--model", "other.sfckpt", "--delta", delta, "--data", "text.txt"],
      ["generate", "--model", "other.sfckpt", "--delta", delta, "--prompt", "a"],
    ]
    for arguments in attempts {
      let outcome = try shop.sparseft.run(arguments)
      #expect(outcome.exitCode == 65)
      #expect(outcome.error == text)
    }
    #expect(!shop.files.contains("m.sfckpt"))
    #expect(shop.leftovers == [])
  }

  @Test func notARunIsSaid() throws {
    let shop = try Workshop()
    let empty = try shop.sparseft("export-delta", ".", "-o", "x.sfdelta")
    #expect(empty.exitCode == 66)
    #expect(empty.error.contains("'.' is neither a run's folder with a snapshot in best/"))
    let checkpoint = try shop.sparseft("export-delta", "tiny.sfckpt", "-o", "x.sfdelta")
    #expect(checkpoint.exitCode == 65)
    #expect(
      checkpoint.error
        == "error: reading 'tiny.sfckpt': found a sparseft checkpoint, expected a sparseft delta\n")
    #expect(!shop.files.contains("x.sfdelta"))
  }

  /// The loss that `eval` reports on the training text.
  private func loss(_ shop: Workshop, _ model: String, delta: String? = nil) throws -> Double {
    let outcome = try shop.succeed(
      [
        "eval", "--model", model, "--data", "text.txt", "--sequence-length", "32",
        "--precision", "f32", "--json",
      ]
        + (delta.map { ["--delta", $0] } ?? []))
    return try #require(try outcome.jsonLines().first?["loss"]?.double)
  }
}
