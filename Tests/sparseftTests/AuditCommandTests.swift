import Storage
import TestSupport
import Testing

/// `audit`, and what `export-delta` says of it.
@Suite struct AuditCommandTests {
  private static let arguments = [
    "audit", "shared.sfdelta", "--model", "tiny.sfckpt", "--train", "text.txt", "--heldout",
    "other.txt",
  ]

  /// Trains the workshop's recipe and writes its delta.
  ///
  /// - Returns: what `export-delta` says.
  private func export(_ shop: Workshop, _ overrides: String...) throws -> String {
    try shop.folder.write(Workshop.text(sentences: 100, seed: 8), to: "other.txt")
    try shop.succeed(["finetune", "recipe.json"] + overrides)
    return try shop.succeed(["export-delta", "run", "-o", "shared.sfdelta"]).error
  }

  @Test func leaksEndWithOneAndJSONTellsThem() throws {
    let shop = try Workshop()
    try shop.folder.write(Workshop.text(sentences: 24), to: "text.txt")
    let said = try export(shop, "run.steps=400")
    #expect(said.contains("sparseft audit shared.sfdelta") && !said.contains("warning"))
    let outcome = try shop.sparseft.run(
      Self.arguments + ["--json", "--windows", "40", "--report", "audit.html"])
    #expect(outcome.exitCode == 1, "\(outcome.error)")
    #expect(outcome.error.contains("price: "))
    let record = try JSONValue.decode(outcome.output)
    #expect(record.keys.isSuperset(of: Contract.audit))
    #expect(record["leaks"]?.bool == true)
    #expect(record["train_windows"]?.int != nil && record["membership"]?["members"]?.int != nil)
    let page = String(decoding: try shop.folder.read("audit.html"), as: UTF8.self)
    #expect(page.contains("This delta leaks") && !page.contains("text.txt"))
    let other = try shop.sparseft.run(Self.arguments + ["--windows", "40"])
    #expect(other.exitCode == 1 && other.output.hasPrefix("leaks are shown:\n- "))
  }

  @Test func noLeakEndsWithZero() throws {
    let shop = try Workshop(method: #"{"type": "norms"}"#)
    _ = try export(shop)
    let outcome = try shop.succeed(Self.arguments + ["--windows", "40"])
    #expect(outcome.output.hasPrefix("no leak is shown:\n"))
    #expect(outcome.output.contains("which does not show that nothing does"))
  }

  /// One step of plain descent on few tokens is warned of when it is exported.
  @Test func exportWarnsOfReadableTokens() throws {
    let shop = try Workshop(
      method: #"{"type": "sparse", "tensors": {"layers[0].attention.value": 1.0}}"#)
    let said = try export(
      shop, #"optimizer={"type": "sgd", "learning_rate": 0.1}"#, "run.steps=1",
      "run.batch_size=1", "data.sequence_length=8", "run.precision=f32")
    #expect(said.contains("warning: the change of layers[0].attention.value spans "), "\(said)")
  }

  @Test func otherBasesAndMissingTextsAreRefused() throws {
    let shop = try Workshop(method: #"{"type": "norms"}"#)
    _ = try export(shop)
    let missing = try shop.sparseft.run(
      [
        "audit", "shared.sfdelta", "--model", "tiny.sfckpt", "--train", "absent.txt", "--heldout",
        "other.txt",
      ])
    #expect(missing.exitCode == 66, "\(missing.error)")
    let stranger = try Workshop(elementType: .bf16)
    try stranger.folder.write(Array(try shop.folder.read("shared.sfdelta")), to: "shared.sfdelta")
    try stranger.folder.write("Some other text.", to: "other.txt")
    let refused = try stranger.sparseft.run(Self.arguments)
    #expect(refused.exitCode == 65, "\(refused.error)")
  }
}
