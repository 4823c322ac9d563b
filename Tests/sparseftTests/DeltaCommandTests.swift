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

  /// Matrices that were trained in int8 stay what they are, in a delta and in a merged int8 model;
  /// another type says what it makes of them.
  @Test(arguments: [ElementType.f32, .int8])
  func integersStayAsTheyWereTrained(_ type: ElementType) throws {
    let shop = try Workshop(elementType: type)
    try shop.finetune("optimizer.type=sgd", "optimizer.parameters=int8")
    let exported = try shop.succeed(["export-delta", "run", "-o", "own.sfdelta"])
    #expect(exported.error.contains("values in int8 and f32"))
    let merge = ["apply-delta", "--model", "tiny.sfckpt", "--delta"]
    try shop.succeed(merge + ["own.sfdelta", "--dtype", "int8", "-o", "m.sfckpt"])
    let trained = try loss(shop, "tiny.sfckpt", delta: "run/best/trained.sfdelta")
    #expect(abs(try loss(shop, "m.sfckpt") - trained) < 1e-5)
    let delta = try Delta.open(shop.folder["own.sfdelta"])
    let merged = try Checkpoint.open(shop.folder["m.sfckpt"])
    let integers = delta.entries.filter { $0.encoding == .integers }
    #expect(integers.count == merged.tensors.count { $0.shape.rank == 2 })
    for entry in integers {
      let tensor = try #require(merged.tensor(entry.name))
      #expect(tensor.data.elementsEqual(entry.tensors[0].data))
    }
    let wide = try shop.succeed(["export-delta", "run", "-o", "f32.sfdelta", "--dtype", "f32"])
    #expect(wide.error.contains("stored in f32: the same values"))
    try shop.succeed(merge + ["f32.sfdelta", "-o", "wide.sfckpt"])
    #expect(abs(try loss(shop, "wide.sfckpt") - trained) < 1e-5)
    let narrow = try shop.succeed(["export-delta", "run", "-o", "bf16.sfdelta", "--dtype", "bf16"])
    #expect(narrow.error.contains("the trained integers are lost"))
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
    let twice = try merged("--delta", delta, "--delta", delta, "--force")
    #expect(abs(try merged("--delta", delta, "--scale", "2") - twice) < 1e-5)
  }

  /// Negative scales take a delta away; others have to be numbers that weights can take.
  @Test func scalesAreChecked() throws {
    let shop = try Workshop(method: #"{"type": "norms"}"#)
    try shop.finetune()
    let arguments = [
      "apply-delta", "--model", "tiny.sfckpt", "--delta", "run/best/trained.sfdelta", "-o",
      "m.sfckpt",
    ]
    try shop.succeed(arguments + ["--scale", "-1"])
    let bytes = try shop.folder.read("m.sfckpt")
    try shop.succeed(arguments + ["--scale=-1"])
    #expect(try shop.folder.read("m.sfckpt") == bytes)
    for scale in ["1e30", "-100.5", "nan", "inf", "x"] {
      let outcome = try shop.sparseft.run(arguments + ["--scale", scale])
      #expect(outcome.exitCode == 64, "\(scale)")
      #expect(outcome.error.contains("--scale"))
    }
    #expect(try shop.folder.read("m.sfckpt") == bytes)
  }

  /// By content, whatever the files are called; also where a merge contains it already.
  @Test func theSameDeltaTwiceIsNoticed() throws {
    let shop = try Workshop(method: #"{"type": "norms"}"#)
    try shop.finetune()
    let delta = "run/best/trained.sfdelta"
    try shop.folder.write(try shop.folder.read(delta), to: "copy.sfdelta")
    let twice = ["--delta", delta, "--delta", "copy.sfdelta"]
    let model = ["--model", "tiny.sfckpt"]
    for arguments in [
      ["apply-delta", "-o", "m.sfckpt"] + model + twice,
      ["export", "tiny.sfckpt", "--format", "hf", "-o", "m"] + twice,
      ["eval", "--data", "text.txt"] + model + twice,
    ] {
      let outcome = try shop.sparseft.run(arguments)
      #expect(outcome.exitCode == 65, "\(arguments)")
      #expect(
        outcome.error.hasPrefix(
          "error: applying 'copy.sfdelta': it is the same delta as '\(delta)' (content hash "))
    }
    #expect(!shop.files.contains { $0 == "m.sfckpt" || $0.hasPrefix("m/") })
    try shop.succeed(["apply-delta", "-o", "m.sfckpt", "--delta", delta] + model)
    let again = try shop.sparseft(
      "apply-delta", "--model", "m.sfckpt", "--delta", "copy.sfdelta", "-o", "n.sfckpt")
    #expect(again.exitCode == 65)
    #expect(
      again.error == """
        error: applying 'copy.sfdelta' to 'm.sfckpt': the checkpoint contains this delta already; \
        leave it out, or apply it to the checkpoint that it was trained on

        """)
  }

  /// Steps of int8 are wider than what a small learning rate changes.
  @Test func aMergeThatLosesTheUpdateIsRefused() throws {
    let shop = try Workshop(elementType: .int8)
    try shop.finetune("optimizer.learning_rate=1e-6")
    let delta = ["--delta", "run/best/trained.sfdelta"]
    let merge = ["apply-delta", "--model", "tiny.sfckpt", "-o", "m.sfckpt"] + delta
    let refused = try shop.sparseft.run(merge + ["--dtype", "int8"])
    #expect(refused.exitCode == 65)
    #expect(refused.error.contains("stored in int8, ") && refused.error.contains("--dtype bf16"))
    let export = ["export", "tiny.sfckpt", "--format", "gguf", "-o", "m.gguf"] + delta
    #expect(!shop.files.contains("m.sfckpt") && shop.leftovers == [])
    let forced = try shop.succeed(merge + ["--dtype", "int8", "--force"])
    #expect(forced.error.contains("of the update is left"))
    // Nothing is rounded, so there is nothing to say.
    #expect(try !shop.succeed(merge).error.contains("update"))
    #expect(try !shop.succeed(export).error.contains("update"))
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
