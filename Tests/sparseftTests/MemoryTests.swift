import Storage
import Tensors
import TestSupport
import Testing

/// The planned peak against the real one, in processes that do nothing else.
///
/// The models are large enough (42 and 59 M parameters) for weights and arena to outweigh the
/// runtime. Tests run one after the other, so that the machine's memory is not their limit.
@Suite(.serialized) struct MemoryTests {
  static let methods = [
    #"{"type": "full"}"#, #"{"type": "lora"}"#, #"{"type": "lora", "rank": 64, "alpha": 128}"#,
    #"{"type": "sparse", "tensors": {"layers[6-7].mlp.down": 0.5, "layers[7].attention.*": 1}}"#,
    #"{"type": "sparse", "tensors": {"head": 1}}"#,
    #"{"type": "sparse", "tensors": {"head": 0.1, "layers[7].mlp.*": 1}}"#,
  ]

  /// Half of the processes look up a few rows of an embedding that no head reads whole.
  @Test(arguments: [(ElementType.f32, true), (.bf16, false)])
  func theRealPeakIsWithinThreePercentOfThePlan(_ type: ElementType, tiedHead: Bool) throws {
    let shop = try Workshop()
    try shop.folder.write(Workshop.text(sentences: 150), to: "text.txt")
    let config = try shop.folder.write(
      """
      {"model_type": "llama", "hidden_size": 512, "intermediate_size": 1408, "vocab_size": 32000,
       "num_hidden_layers": 8, "num_attention_heads": 8, "num_key_value_heads": 8,
       "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "tie_word_embeddings": \(tiedHead)}
      """, to: "config.json")
    try shop.succeed([
      "init", "--config", config, "--tokenizer", Workshop.tokenizerPath, "--dtype", type.rawValue,
      "-o", "model.sfckpt",
    ])
    let narrow = ["optimizer.state=int4", "optimizer.parameters=bf16", "run.precision=int8"]
    for (method, more) in Self.methods.map({ ($0, []) }) + [(Self.methods[0], narrow)] {
      let run = try shop.succeed(
        [
          "finetune", "recipe.json", "--json", "model=model.sfckpt", "method=\(method)",
          "data.sequence_length=64", "run.steps=2",
        ] + more)
      let done = try #require(try run.jsonLines().last)
      let planned = Double(try #require(done["planned_bytes"]?.int))
      let peak = Double(try #require(done["peak_rss_bytes"]?.int))
      let deviation = 100 * (peak - planned) / peak
      print(
        "memory: \(type.rawValue) \(method): planned \(ByteCount(Int(planned))), "
          + "peak \(ByteCount(Int(peak))), \(formatted(deviation, decimals: 1)) %")
      #expect(abs(deviation) <= 3, "\(method): planned \(planned), peak \(peak)")
    }
  }

  /// A limit is for the real peak: the least one that a refusal names is enough, and is held. The text is
  /// long, and windows are taken from all over it.
  @Test func theLeastLimitIsHeld() throws {
    let shop = try Self.shopWithLongText()
    for (method, more) in [
      (#"{"type": "full"}"#, ["run.precision=f32"]),
      (#"{"type": "lora", "rank": 32}"#, ["run.prefix_cache_mb=0"]),
    ] {
      let arguments = Self.arguments + ["method=\(method)"] + more
      try Self.expectHeld(shop, arguments, limit: "run.memory_mb", named: "needs at least")
    }
  }

  private static let arguments = [
    "finetune", "recipe.json", "--json", "--overwrite", "model=model.sfckpt",
    "data.sequence_length=64", "run.batch_size=8", "run.steps=4",
  ]

  private static func shopWithLongText() throws -> Workshop {
    let shop = try Workshop()
    try shop.folder.write(Workshop.text(sentences: 6_000), to: "text.txt")
    let config = try shop.folder.write(
      """
      {"model_type": "llama", "hidden_size": 256, "intermediate_size": 704, "vocab_size": 4000,
       "num_hidden_layers": 6, "num_attention_heads": 4, "num_key_value_heads": 4,
       "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "tie_word_embeddings": true}
      """, to: "config.json")
    try shop.succeed([
      "init", "--config", config, "--tokenizer", Workshop.tokenizerPath, "-o", "model.sfckpt",
    ])
    return shop
  }

  /// Asks what is needed at least, and runs with a limit a little above it.
  private static func expectHeld(
    _ shop: Workshop, _ arguments: [String], limit key: String, named phrase: String
  ) throws {
    let refused = try shop.sparseft.run(arguments + ["\(key)=1"])
    let words = try #require(refused.error.split(separator: phrase + " ").last)
    let least = try #require(
      words.split(separator: " ").first.flatMap { Double($0) }, "\(refused.error)")
    let limit = least + 0.5
    let run = try shop.succeed(arguments + ["\(key)=\(limit)"])
    let peak = Double(try #require(run.jsonLines().last?["peak_rss_bytes"]?.int)) / 1e6
    print("memory: \(arguments.last ?? ""): \(key)=\(limit), peak \(peak)")
    #expect(peak <= limit, "\(arguments)")
  }
}
