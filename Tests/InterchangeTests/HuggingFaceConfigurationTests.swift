import Checkpoints
import Interchange
import Models
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct HuggingFaceConfigurationTests {
  let folder: TemporaryFolder
  let base: JSONValue
  let expected: ModelConfiguration

  init() throws {
    folder = try TemporaryFolder()
    expected = TinyModel.configuration()
    base = HuggingFaceFolder.config(expected)
  }

  private func read(_ config: JSONValue) throws -> ModelConfiguration {
    let path = try folder.write(config.encoded(), to: "config.json")
    return try HuggingFaceFormat.configuration(path: path)
  }

  private func read(_ changes: [String: JSONValue?]) throws -> ModelConfiguration {
    try read(changes.reduce(base) { $0.replacing([$1.key], with: $1.value) })
  }

  @Test func readsThePlainOne() throws {
    #expect(try read(base) == expected)
  }

  @Test func fillsInDefaults() throws {
    let read = try read([
      "num_key_value_heads": .none, "rope_theta": .none, "rms_norm_eps": .none,
      "hidden_act": .none, "attention_bias": .none, "mlp_bias": .none,
    ])
    var defaults = expected
    defaults.keyValueHeads = 4
    defaults.normEpsilon = 1e-6
    #expect(read == defaults)
    #expect(try self.read(["num_key_value_heads": .null]).keyValueHeads == 4)
    #expect(try self.read(["head_dim": .null]).headWidth == 8)
    #expect(try self.read(["head_dim": 16]).headWidth == 16)
  }

  @Test func readsRotaryKeysOldAndNew() throws {
    let llama3: JSONValue = [
      "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 8192,
    ]
    let scaling = RotaryScaling.llama3(
      factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192)
    #expect(try read(["rope_theta": 5e5]).rotaryBase == 5e5)
    #expect(try read(["rope_scaling": llama3]).rotaryScaling == scaling)
    let linear: JSONValue = ["type": "linear", "factor": 2]
    #expect(try read(["rope_scaling": linear]).rotaryScaling == .linear(factor: 2))
    let plain = try read([
      "rope_theta": .none, "rope_scaling": .none,
      "rope_parameters": ["rope_type": "default", "rope_theta": 1e6],
    ])
    #expect(plain.rotaryBase == 1e6 && plain.rotaryScaling == .none)
    let new = try read([
      "rope_theta": .none,
      "rope_parameters": llama3.replacing(["rope_theta"], with: 5e5),
    ])
    #expect(new.rotaryBase == 5e5 && new.rotaryScaling == scaling)
  }

  private func expected(
    _ family: String, _ change: (inout ModelConfiguration) -> Void = { _ in }
  ) -> ModelConfiguration {
    var configuration = expected
    configuration.family = family
    change(&configuration)
    return configuration
  }

  @Test func readsMistral() throws {
    let plain: [String: JSONValue?] = ["model_type": "mistral"]
    func read(_ changes: [String: JSONValue?]) throws -> ModelConfiguration {
      try self.read(plain.merging(changes) { $1 })
    }
    #expect(try read(["sliding_window": .null]) == expected("mistral"))
    #expect(try read(["sliding_window": 32]) == expected("mistral") { $0.slidingWindow = 32 })
    #expect(try read([:]) == expected("mistral") { $0.slidingWindow = 4096 })
    // Biases are keys of Llama's.
    #expect(try read(["sliding_window": 9, "attention_bias": true]).attentionBias == false)
  }

  @Test func readsQwen2() throws {
    let plain: [String: JSONValue?] = ["model_type": "qwen2", "sliding_window": 32]
    func read(_ changes: [String: JSONValue?]) throws -> ModelConfiguration {
      try self.read(plain.merging(changes) { $1 })
    }
    let expected = expected("qwen2") { $0.attentionBias = true }
    #expect(try read([:]) == expected)
    #expect(try read(["use_sliding_window": false]) == expected)
    // Blocks from max_window_layers on, of two.
    #expect(try read(["use_sliding_window": true]) == expected)
    for (first, pattern) in [(0, []), (1, [AttentionReach.global, .local])] {
      let found = try read(["use_sliding_window": true, "max_window_layers": .int(first)])
      #expect(found.slidingWindow == 32 && found.attentionPattern == pattern)
    }
    let listed = try read([
      "use_sliding_window": true,
      "layer_types": ["sliding_attention", "full_attention"],
    ])
    #expect(listed.slidingWindow == 32 && listed.attentionPattern == [.local, .global])
    #expect(try read(["layer_types": ["full_attention", "full_attention"]]) == expected)
  }

  @Test func readsQwen3() throws {
    let plain: [String: JSONValue?] = ["model_type": "qwen3"]
    let expected = expected("qwen3") {
      $0.queryKeyNorm = true
      $0.headWidth = 128
    }
    #expect(try read(plain) == expected)
    let narrow = try read(plain.merging(["head_dim": 16, "attention_bias": true]) { $1 })
    #expect(narrow.headWidth == 16 && narrow.attentionBias && narrow.outputBias)
  }

  @Test func readsPhi3() throws {
    let plain: [String: JSONValue?] = ["model_type": "phi3"]
    #expect(try read(plain) == expected("phi3"))
    let windows = try read(plain.merging(["sliding_window": 32, "rms_norm_eps": .none]) { $1 })
    #expect(windows.slidingWindow == 32 && windows.normEpsilon == 1e-5)
    let longrope: JSONValue = ["type": "longrope", "short_factor": [1], "long_factor": [1]]
    let error = failure { _ = try read(plain.merging(["rope_scaling": longrope]) { $1 }) }
    #expect(error?.description.contains("longrope's factors depend on the length") == true)
  }

  @Test func refusesWhatIsNotSupported() {
    let cases: [[String: JSONValue?]] = [
      ["model_type": "gpt2"], ["model_type": .none], ["model_type": 1],
      ["hidden_act": "gelu"], ["hidden_act": .null],
      ["model_type": "mistral", "sliding_window": 0],
      ["model_type": "mistral", "sliding_window": "4"],
      ["model_type": "qwen2", "layer_types": ["full_attention"]],
      ["model_type": "qwen2", "layer_types": ["full_attention", "sliding_attention"]],
      ["model_type": "qwen2", "layer_types": ["full_attention", "chunked_attention"]],
      ["model_type": "qwen2", "layer_types": "full_attention"],
      ["model_type": "qwen2", "use_sliding_window": true, "max_window_layers": -1],
      ["model_type": "qwen3", "head_dim": 7],
      ["model_type": "phi3", "rope_scaling": ["type": "su", "long_factor": [1]]],
      ["model_type": "phi3", "partial_rotary_factor": 0.75],
      ["rope_parameters": ["rope_type": "default", "partial_rotary_factor": 0.75]],
      ["rope_scaling": ["type": "yarn", "factor": 2]], ["rope_scaling": ["rope_type": "dynamic"]],
      ["rope_scaling": ["type": 1]], ["rope_scaling": 2], ["rope_scaling": ["type": "linear"]],
      ["rope_scaling": ["type": "linear", "factor": 0.5]],
      ["rope_scaling": ["rope_type": "llama3", "factor": 8]],
      ["quantization_config": ["bits": 4]], ["partial_rotary_factor": 0.5],
    ]
    for changes in cases { expectBadData("\(changes)") { _ = try read(changes) } }
  }

  @Test func refusesNumbersThatNoModelHas() throws {
    let keys = [
      "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
      "num_key_value_heads", "vocab_size", "max_position_embeddings", "head_dim",
    ]
    let values: [JSONValue] = [
      0, -1, .int(.max), .int(.min), 1e300, 1.5, "64", true, [], .int(1 << 31),
    ]
    for key in keys {
      for value in values { expectBadData("\(key) = \(value)") { _ = try read([key: value]) } }
    }
    for key in keys where key != "head_dim" && key != "num_key_value_heads" {
      expectBadData("no \(key)") { _ = try read([key: .none]) }
    }
    for value: JSONValue in [0, -1, 1, "x"] {
      expectBadData("rms_norm_eps \(value)") { _ = try read(["rms_norm_eps": value]) }
    }
    for value: JSONValue in [0, -1, 1, "x"] {
      expectBadData("rope_theta \(value)") { _ = try read(["rope_theta": value]) }
    }
    expectBadData("odd heads") { _ = try read(["head_dim": 7]) }
    expectBadData("heads that don't divide") { _ = try read(["num_attention_heads": 5]) }
    expectBadData("groups that don't divide") { _ = try read(["num_key_value_heads": 3]) }
  }

  @Test func refusesBrokenFiles() throws {
    let text = Array(base.encoded(.pretty).utf8)
    for length in 0..<text.count {
      let path = try folder.write(Array(text[..<length]), to: "config.json")
      expectBadData("\(length) bytes") { _ = try HuggingFaceFormat.configuration(path: path) }
    }
    var random = RandomSource(seed: 8)
    for _ in 0..<500 {
      var damaged = text
      damaged[random.integer(below: text.count)] ^= 1 << UInt8(random.integer(below: 8))
      let path = try folder.write(damaged, to: "config.json")
      // Keys that are passed over may change, so only the kind of failure is certain.
      let error = failure { _ = try HuggingFaceFormat.configuration(path: path) }
      #expect(error == nil || error?.category == .badData)
    }
    #expect(
      failure { _ = try HuggingFaceFormat.configuration(path: folder["absent"]) }?.category
        == .missingInput)
  }
}
