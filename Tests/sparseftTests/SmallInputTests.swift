import Storage
import TestSupport
import Testing

/// Small files that claim much: refused for what they say, before any work of that size begins.
@Suite struct SmallInputTests {
  /// What a configuration may claim, and what the refusal names.
  static let claims: [(key: String, value: Int, refusal: String)] = [
    ("layers", 4096, "found 4096 layers, expected at most as many as the file has tensors"),
    ("vocabulary_size", 1 << 24, "shape of embedding"),
    ("hidden_width", 1 << 22, "more than 256 times the width"),
    ("hidden_width", 1 << 12, "shape of layers[0].mlp.gate"),
    ("query_heads", 1 << 16, "more than 256 times the width"),
    ("width", 1 << 20, "shape of embedding"),
  ]

  @Test(arguments: claims)
  func claimsOfACheckpointAreRefused(_ key: String, _ value: Int, _ refusal: String) throws {
    let shop = try Workshop()
    try Self.claim(key, value, in: "tiny.sfckpt", of: shop)
    for arguments in [
      ["inspect", "claim"], ["eval", "--model", "claim", "--data", "text.txt"],
      ["generate", "--model", "claim", "--prompt", "the"], ["plan", "recipe.json", "model=claim"],
      ["export", "claim", "--format", "gguf", "-o", "out"],
    ] {
      let (outcome, seconds) = try Self.timed(shop, arguments)
      #expect(outcome.exitCode == 65 && seconds < 20, "\(arguments[0]): \(seconds) s")
      #expect(outcome.error.contains(refusal), "\(outcome.error)")
    }
    #expect(!shop.files.contains("out"))
  }

  /// A delta names its base's configuration, whose tensors it does not have.
  @Test(arguments: ["layers", "vocabulary_size", "hidden_width"])
  func claimsOfADeltaAreRefused(_ key: String) throws {
    let shop = try Workshop(method: #"{"type": "norms"}"#)
    try shop.finetune()
    let most = ["layers": 4096, "vocabulary_size": 1 << 24, "hidden_width": 8192]
    try Self.claim(
      key, try #require(most[key]), in: "run/best/trained.sfdelta", of: shop, below: "base")
    #expect(try Self.timed(shop, ["inspect", "claim"]).seconds < 20)
    for arguments in [
      ["apply-delta", "--model", "tiny.sfckpt", "--delta", "claim", "-o", "out"],
      ["eval", "--model", "tiny.sfckpt", "--delta", "claim", "--data", "text.txt"],
    ] {
      let (outcome, seconds) = try Self.timed(shop, arguments)
      #expect(outcome.exitCode == 65 && seconds < 20, "\(arguments[0]): \(seconds) s")
      #expect(outcome.error.contains("base.configuration"), "\(outcome.error)")
    }
  }

  /// Of other programs' models, too.
  @Test func claimsOfAConfigurationAreRefused() throws {
    let shop = try Workshop()
    let folder = Workshop.goldenFolder("gqa-tied")
    for name in ["model.safetensors", "tokenizer.model"] {
      try shop.folder.write(TemporaryFolder.read("\(folder)/\(name)"), to: "m/\(name)")
    }
    let config = try #require(try JSONValue.read(path: folder + "/config.json").object)
    for (key, value) in [
      ("num_hidden_layers", 4096), ("vocab_size", 1 << 24), ("intermediate_size", 1 << 22),
      ("hidden_size", 1 << 20), ("num_attention_heads", 1 << 16),
    ] {
      var changed = config
      changed[key] = .int(value)
      try shop.folder.write(JSONValue.object(changed).encoded(), to: "m/config.json")
      let (outcome, seconds) = try Self.timed(shop, ["import", "m", "-o", "out"])
      #expect(outcome.exitCode == 65 && seconds < 20, "\(key): \(outcome.error)")
    }
    #expect(!shop.files.contains("out"))
  }

  /// A plan says how long a step takes, and does not take that long itself; a step that nothing can
  /// list is refused.
  @Test func aPlanOfManyMicroBatchesIsSoonMade() throws {
    let shop = try Workshop()
    let (plan, seconds) = try Self.timed(
      shop, ["plan", "recipe.json", "run.accumulation=65536", "--json"])
    #expect(plan.exitCode == 0 && seconds < 30, "\(seconds) s: \(plan.error)")
    let refused = try Self.timed(
      shop,
      ["plan", "recipe.json", "run.accumulation=65536", "run.batch_size=65536"]
    ).outcome
    #expect(refused.exitCode == 64)
    #expect(refused.error.contains("lower run.accumulation or run.batch_size"), "\(refused.error)")
  }

  /// Writes a copy, sealed, of a tensor file with a number of its configuration changed.
  private static func claim(
    _ key: String, _ value: Int, in name: String, of shop: Workshop, below place: String? = nil
  ) throws {
    var parts = TensorFileParts(try shop.folder.read(name))
    var header = try #require(parts.json.object)
    var owner = place.map { header[$0]?.object ?? [:] } ?? header
    var configuration = try #require(owner["configuration"]?.object)
    configuration[key] = .int(value)
    owner["configuration"] = .object(configuration)
    if let place { header[place] = .object(owner) } else { header = owner }
    parts.json = .object(header)
    try shop.folder.write(parts.sealed, to: "claim")
  }

  private static func timed(
    _ shop: Workshop, _ arguments: [String]
  ) throws -> (outcome: Outcome, seconds: Double) {
    let clock = ContinuousClock()
    let start = clock.now
    let outcome = try shop.sparseft.run(arguments)
    let time = (clock.now - start).components
    return (outcome, Double(time.seconds) + Double(time.attoseconds) / 1e18)
  }
}
