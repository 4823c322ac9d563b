import Checkpoints
import Models
import Storage
import Tensors
import TestSupport
import Testing
import Tokenizers

@testable import Interchange

/// Models written for other programs, read back.
@Suite struct ExportTests {
  private let folder: TemporaryFolder
  private let tokenizer: [UInt8]

  init() throws {
    folder = try TemporaryFolder()
    let path = SharedData.packageRoot + "/Tests/Golden/gqa-tied/tokenizer.model"
    tokenizer = try TemporaryFolder.read(path)
  }

  private func checkpoint(
    _ configuration: ModelConfiguration, _ type: ElementType = .f32
  ) throws -> Checkpoint {
    try TinyModel.checkpoint(
      at: folder["\(type).sfckpt"], configuration, elementType: type, tokenizer: tokenizer)
  }

  private func imported(_ source: String) throws -> Checkpoint {
    try CheckpointImport.run(
      source: folder[source], tokenizer: nil, elementType: nil, output: folder["back.sfckpt"])
    return try Checkpoint.open(folder["back.sfckpt"])
  }

  private static let configurations = [
    TinyModel.configuration(vocabularySize: 384),
    TinyModel.configuration(vocabularySize: 384, tiedHead: false),
    TinyModel.configuration(
      vocabularySize: 384,
      rotaryScaling: .llama3(
        factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 32)),
    TinyModel.configuration(vocabularySize: 384, rotaryScaling: .linear(factor: 2)),
    TinyModel.configuration(
      vocabularySize: 384, attentionBias: true, outputBias: true, mlpBias: true),
    family(Qwen2.name) { $0.attentionBias = true },
    family(Qwen3.name) { $0.queryKeyNorm = true },
    family(Mistral.name) { $0.slidingWindow = 16 },
    family(Mistral.name) { _ in },
    family(Phi3.name) { $0.slidingWindow = 20 },
    family(Qwen3.name) {
      ($0.queryKeyNorm, $0.slidingWindow) = (true, 16)
      $0.attentionPattern = [.global, .local]
    },
  ]

  private static func family(
    _ name: String, _ change: (inout ModelConfiguration) -> Void
  ) -> ModelConfiguration {
    var configuration = TinyModel.configuration(vocabularySize: 384, tiedHead: false)
    configuration.family = name
    change(&configuration)
    return configuration
  }

  @Test(arguments: configurations)
  func aFolderForTransformersHoldsTheModel(_ configuration: ModelConfiguration) throws {
    let base = try checkpoint(configuration)
    _ = try HuggingFaceExport.write(ExportedModel(base), as: .f32, to: folder["hf"])
    let back = try imported("hf")
    #expect(back.configuration == base.configuration)
    #expect(back.tokenizerBytes.elementsEqual(base.tokenizerBytes))
    for tensor in base.tensors {
      #expect(back.tensor(tensor.name)?.widened() == tensor.widened(), "\(tensor.name)")
    }
  }

  /// A SentencePiece model's own rules, and where spaces go, reach transformers and come back.
  @Test(arguments: [nil, true]) func spacesAreWhereTheModelHasThem(_ continues: Bool?) throws {
    for adds in [true, false] {
      var table = VocabularyTable(
        model: "llama", pieces: ["<unk>", "<s>", "</s>", "▁", "a", "[I]"])
      table.scores = [0, 0, 0, -1, -2, 0]
      table.types = [2, 3, 3, 1, 1, 3]
      (table.beginOfSequence, table.endOfSequence) = (1, 2)
      table.addsSpacePrefix = adds
      var settings = TokenizerSettings()
      settings.continuesBehindControls = continues
      let configuration = TinyModel.configuration()
      let weights = TinyModel.weights(configuration)
      try CheckpointWriter.write(
        to: folder["s.sfckpt"], configuration: configuration,
        tokenizer: StoredTokenizer(
          kind: "sentencepiece", bytes: table.serialized().bytes, settings: settings),
        elementType: .f32,
        tensors: { (name) throws(CheckpointError) in .values(weights[name] ?? []) })
      let base = try Checkpoint.open(folder["s.sfckpt"])
      let place = "hf\(adds)"
      _ = try HuggingFaceExport.write(ExportedModel(base), as: .f32, to: folder[place])
      let config = try JSONValue.read(path: folder[place + "/tokenizer_config.json"])
      #expect(config["add_prefix_space"] == .bool(adds))
      #expect(config["legacy"] == (adds ? .bool(continues != true) : nil))
      #expect(config["added_tokens_decoder"]?["5"]?["content"] == "[I]")
      #expect(config["added_tokens_decoder"]?["4"] == nil)
      // Where no text gets a space, none is missing behind control tokens.
      #expect(
        try imported(place).tokenizerSettings.continuesBehindControls == (adds ? continues : nil))
    }
  }

  @Test(arguments: [ForeignElementType.bf16, .f16])
  func narrowTypesAreRounded(_ type: ForeignElementType) throws {
    let base = try checkpoint(Self.configurations[0])
    _ = try HuggingFaceExport.write(ExportedModel(base), as: type, to: folder["hf"])
    let back = try imported("hf")
    for tensor in base.tensors {
      let expected = tensor.widened().map {
        type == .bf16 ? float(bfloat16Bits: bfloat16Bits($0)) : Float(Float16($0))
      }
      #expect(back.tensor(tensor.name)?.widened() == expected, "\(tensor.name)")
    }
    #expect(back.tensor("embedding")?.elementType == (type == .bf16 ? .bf16 : .f32))
  }

  @Test func weightsAreCutIntoFiles() throws {
    let base = try checkpoint(Self.configurations[1])
    let target = try AtomicFolder(path: folder["hf"])
    try HuggingFaceExport.writeWeights(ExportedModel(base), .f32, to: target, shardBytes: 30_000)
    try target.commit()
    let names = try Folder.names(folder["hf"])
    #expect(names.contains("model.safetensors.index.json"))
    #expect(names.filter { $0.hasSuffix(".safetensors") }.count > 2)
    _ = try HuggingFaceExport.write(ExportedModel(base), as: .f32, to: folder["whole"])
    for name in ["config.json", "tokenizer.model"] {
      try folder.write(try folder.read("whole/\(name)"), to: "hf/\(name)")
    }
    let back = try imported("hf")
    for tensor in base.tensors {
      #expect(back.tensor(tensor.name)?.widened() == tensor.widened(), "\(tensor.name)")
    }
  }

  private func delta(_ base: Checkpoint, _ updates: [DeltaUpdate]) throws -> Delta {
    try DeltaWriter.write(
      to: folder["d.sfdelta"], base: base, method: [:], recipe: [:], metrics: [:],
      elementType: .f32, updates: updates)
    return try Delta.open(folder["d.sfdelta"])
  }

  private func factors(_ base: Checkpoint, _ names: [String: Int]) throws -> Delta {
    var random = RandomSource(seed: 3)
    let updates = names.sorted { $0.key < $1.key }.map { name, rank in
      let shape = base.tensor(name)?.shape ?? [1, 1]
      func values(_ count: Int) -> [Float] { (0..<count).map { _ in Float(random.normal()) } }
      return DeltaUpdate(
        name: name,
        content: .lowRank(
          rank: rank, scale: rank == 4 ? 2 : 0.75, a: .values(values(rank * shape[1])),
          b: .values(values(shape[0] * rank))))
    }
    return try delta(base, updates)
  }

  @Test func anAdapterForPEFTComesBackAsADelta() throws {
    let base = try checkpoint(Self.configurations[0])
    let delta = try factors(
      base, ["layers[0].attention.query": 4, "layers[1].mlp.down": 4, "layers[1].mlp.up": 2])
    let model = try ExportedModel(base, deltas: [(delta, 1)])
    _ = try PEFTExport.write(model, as: .f32, to: folder["adapter"])
    let settings = try JSONValue.read(path: folder["adapter/adapter_config.json"])
    #expect(settings["r"] == 4 && settings["lora_alpha"]?.double == 8)
    #expect(settings["rank_pattern"] == ["model.layers.1.mlp.up_proj": 2])
    #expect(settings["alpha_pattern"] == ["model.layers.1.mlp.up_proj": 1.5])
    let read = try PEFTExport.readBack(
      folder["adapter"], base: base, temporary: folder["back.sfdelta"])
    let other = try ExportedModel(base, deltas: read.deltas.map { ($0, 1) })
    for parameter in base.configuration.parameters {
      let rows = [model, other].map { model in
        [Float](unsafeUninitializedCapacity: parameter.shape.count) { buffer, count in
          count = parameter.shape.count
          if let start = buffer.baseAddress {
            model.merge.rows(of: parameter.name, 0..<parameter.shape[0], into: start)
          }
        }
      }
      #expect(rows[0] == rows[1], "\(parameter.name)")
    }
  }

  /// PEFT takes the keys of alpha_pattern as ends of names, the first that fits.
  @Test func alphasOfSingleMatricesAreFoundByTheEndsOfNames() throws {
    func settings(_ pattern: String) throws -> PEFTSettings {
      try folder.write(
        #"{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "alpha_pattern": \#(pattern)}"#,
        to: "adapter_config.json")
      return try PEFTSettings(path: folder["adapter_config.json"])
    }
    let found = try settings(
      #"{"1.self_attn.q_proj": 2, "q_proj": 4, "model.layers.0.mlp.up_proj": 1.5}"#)
    for (module, scale) in [
      ("model.layers.0.self_attn.q_proj", 1), ("model.layers.1.self_attn.q_proj", 0.5),
      ("model.layers.11.self_attn.q_proj", 1), ("model.layers.0.mlp.up_proj", 0.375),
      ("model.layers.0.self_attn.v_proj", 2),
    ] { #expect(found.scale(of: module) == scale, "\(module)") }
    for wrong in [
      #"{".*\\.q_proj": 4}"#, #"{"^model.layers.0": 4}"#, #"{"(q|k)_proj": 4}"#,
      #"{"q_proj": "4"}"#, #"{"q_proj": null}"#, #"{"": 4}"#, "[4]",
    ] {
      let error = #expect(throws: CheckpointError.self, "\(wrong)") { try settings(wrong) }
      #expect(error?.description.contains("alpha_pattern") == true)
    }
  }

  /// What contradicts itself would give factors of another scale than PEFT's.
  @Test(arguments: [
    (#"{"peft_type": "LORA", "r": 3, "lora_alpha": 8}"#, "[4, 32]"),
    (#"{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "rank_pattern": {"q_proj": 2}}"#, "[4, 32]"),
    (#"{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "rank_pattern": {"q_proj": 1e12}}"#, "rank"),
    (#"{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_rslora": "x"}"#, "use_rslora"),
    (#"{"peft_type": "LORA", "r": 4, "lora_alpha": 1e308}"#, "lora_alpha"),
  ])
  func anAdapterThatContradictsItselfIsRefused(_ text: String, _ words: String) throws {
    let base = try checkpoint(Self.configurations[0])
    let delta = try factors(base, ["layers[0].attention.query": 4])
    _ = try PEFTExport.write(
      ExportedModel(base, deltas: [(delta, 1)]), as: .f32, to: folder["adapter"])
    try folder.write(text, to: "adapter/adapter_config.json")
    let error = #expect(throws: CheckpointError.self) {
      try PEFTImport.run(
        folder: folder["adapter"], base: base, elementType: .f32, output: folder["x.sfdelta"])
    }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    #expect(error?.category == .badData && !Folder.exists(folder["x.sfdelta"]))
  }

  /// Weights that halves can't hold are no infinities in files.
  @Test func tooLargeWeightsAreRefused() throws {
    let configuration = TinyModel.configuration(hiddenWidth: 64, vocabularySize: 384)
    var weights = TinyModel.weights(configuration)
    func base(_ value: Float) throws -> Checkpoint {
      weights["layers[1].mlp.up"]?[5] = value
      try CheckpointWriter.write(
        to: folder["large.sfckpt"], configuration: configuration,
        tokenizer: StoredTokenizer(kind: "sentencepiece", bytes: tokenizer), elementType: .f32,
        tensors: { (name) throws(CheckpointError) in .values(weights[name] ?? []) })
      return try Checkpoint.open(folder["large.sfckpt"])
    }
    let formats: [(any ExportFormat.Type, ForeignElementType, Float)] = [
      (HuggingFaceExport.self, .f16, -65520), (HuggingFaceExport.self, .bf16, 3.4e38),
      (GGUFExport.self, .f16, 70000), (GGUFExport.self, .bf16, 3.4e38),
      (GGUFExport.self, .q8, 1e7), (GGUFExport.self, .q4, -6e5),
    ]
    for (format, type, value) in formats {
      let model = try ExportedModel(base(value))
      let error = #expect(throws: CheckpointError.self, "\(format.name) \(type)") {
        try format.write(model, as: type, to: folder["large"])
      }
      #expect(error?.category == .badData)
      #expect(error?.description.contains("1.mlp.up_proj") == true || format.name == "gguf")
      #expect(folder.entries == ["large.sfckpt"])
    }
    _ = try HuggingFaceExport.write(ExportedModel(base(65519)), as: .f16, to: folder["hf"])
    #expect(try imported("hf").tensor("layers[1].mlp.up")?.widened()[5] == 65504)
  }

  @Test func whatPEFTCannotHoldIsRefused() throws {
    let base = try checkpoint(Self.configurations[0])
    #expect(throws: CheckpointError.self) {
      try PEFTExport.write(ExportedModel(base), as: .f32, to: folder["adapter"])
    }
    let rows = try delta(
      base,
      [
        DeltaUpdate(
          name: "norm",
          content: .rows(0..<32) { (range, target) throws(CheckpointError) in
            for index in 0..<range.count { target[index] = 1 }
          })
      ])
    #expect(throws: CheckpointError.self) {
      try PEFTExport.write(
        ExportedModel(base, deltas: [(rows, 1)]), as: .f32, to: folder["adapter"])
    }
    #expect(!Folder.exists(folder["adapter"]))
  }

  @Test func aTrainedHeadUnties() throws {
    let base = try checkpoint(Self.configurations[0])
    let delta = try delta(
      base,
      [
        DeltaUpdate(
          name: "head",
          content: .rows(2..<5) { (range, target) throws(CheckpointError) in
            for index in 0..<range.count * 32 { target[index] = 0.25 }
          })
      ])
    let notes = try HuggingFaceExport.write(
      ExportedModel(base, deltas: [(delta, 1)]), as: .f32, to: folder["hf"])
    #expect(notes.contains { $0.contains("tie_word_embeddings false") })
    let back = try imported("hf")
    #expect(back.configuration == base.configuration.untied)
    let head = try #require(back.tensor("head")).widened()
    let table = try #require(base.tensor("embedding")).widened()
    #expect(Array(head[2 * 32..<5 * 32]) == [Float](repeating: 0.25, count: 96))
    #expect(head[..<64] == table[..<64] && head[160...] == table[160...])
  }

  /// A delta that sets biases to numbers of their own.
  private func biases(_ base: Checkpoint, _ kinds: [LinearKind]) throws -> Delta {
    let rows = kinds.map { kind in
      (kind, base.tensor(kind.path(layer: 1))?.rowCount ?? 0)
    }
    return try delta(
      base,
      rows.map { kind, count in
        DeltaUpdate(
          name: kind.path(layer: 1) + ".bias",
          content: .rows(0..<count) { (range, target) throws(CheckpointError) in
            for (place, row) in range.enumerated() { target[place] = Float(row + 1) / 64 }
          })
      })
  }

  private static let biased: [(family: String, windowed: Bool, kinds: [LinearKind])] = [
    (Llama.name, false, LinearKind.allCases), (Llama.name, false, [.query]),
    (Llama.name, false, [.gate]), (Mistral.name, false, [.key, .up]),
    (Qwen2.name, false, LinearKind.allCases), (Qwen2.name, true, [.query]),
    (Qwen3.name, false, [.query, .output]),
  ]

  /// Biases that a base does not have come back from the folder, in a model that may be of another
  /// family.
  @Test(arguments: biased.indices) func addedBiasesReachTransformers(_ index: Int) throws {
    let (name, isWindowed, kinds) = Self.biased[index]
    let base = try checkpoint(
      Self.family(name) {
        $0.queryKeyNorm = name == Qwen3.name
        $0.attentionBias = name == Qwen2.name
        $0.slidingWindow = isWindowed ? 16 : nil
      })
    let deltas = [(delta: try biases(base, kinds), scale: 1.0)]
    let merge = try DeltaMerge(base: base, deltas: deltas)
    _ = try HuggingFaceExport.write(
      ExportedModel(base, deltas: deltas), as: .f32, to: folder["hf"])
    let back = try imported("hf")
    let parameters = merge.configuration.parameters
    #expect(Set(back.tensors.map(\.name)) == Set(parameters.map(\.name)))
    for parameter in parameters {
      var expected = [Float](repeating: 0, count: parameter.shape.count)
      expected.withUnsafeMutableBufferPointer { buffer in
        guard let start = buffer.baseAddress else { return }
        merge.rows(of: parameter.name, 0..<parameter.shape[0], into: start)
      }
      #expect(back.tensor(parameter.name)?.widened() == expected, "\(parameter.name)")
    }
    #expect(back.tensor(kinds[0].path(layer: 1) + ".bias")?.widened().first == 0.015625)
  }

  @Test func biasesWithoutAPlaceAreRefusedByName() throws {
    let cases: [(String, Int?, [LinearKind], any ExportFormat.Type, String)] = [
      (Phi3.name, 20, [.down], HuggingFaceExport.self, "gate, up, down"),
      (Mistral.name, 16, [.up], HuggingFaceExport.self, "gate, up, down"),
      (Qwen2.name, 16, [.output], HuggingFaceExport.self, "output"),
      (Qwen2.name, nil, [.output], GGUFExport.self, "output"),
      (Qwen3.name, nil, [.query], GGUFExport.self, "query, key, value, output"),
    ]
    for (name, window, kinds, format, expected) in cases {
      let base = try checkpoint(
        Self.family(name) {
          $0.queryKeyNorm = name == Qwen3.name
          $0.attentionBias = name == Qwen2.name
          $0.slidingWindow = window
        })
      let model = try ExportedModel(base, deltas: [(try biases(base, kinds), 1)])
      let error = try #require(throws: CheckpointError.self) {
        _ = try format.write(model, as: .f32, to: folder["out"])
      }
      guard case .unsupported(_, let field, _, _) = error else {
        Issue.record("\(error)")
        continue
      }
      #expect(field == "biases of \(expected)", "\(name)")
      #expect(try !Folder.names(folder.path).contains { $0.hasPrefix("out") })
    }
  }

  /// Hidden units make a model of the same family with wider MLPs.
  @Test func hiddenUnitsMakeMLPsWider() throws {
    let base = try checkpoint(Self.configurations[1])
    let (width, hidden) = (base.configuration.width, base.configuration.hiddenWidth)
    func values(_ first: Float) -> TensorSource {
      .values((0..<2 * width).map { first + Float($0) / 128 })
    }
    let delta = try delta(
      base,
      [
        DeltaUpdate(
          name: "layers[0].mlp",
          content: .hiddenUnits(count: 2, gate: values(0), up: values(1), down: values(2)))
      ])
    _ = try HuggingFaceExport.write(
      ExportedModel(base, deltas: [(delta, 1)]), as: .f32, to: folder["hf"])
    let back = try imported("hf")
    #expect(back.configuration.hiddenWidth == hidden + 2)
    let up = try #require(back.tensor("layers[0].mlp.up")).widened()
    #expect(
      up[..<(hidden * width)] == (try #require(base.tensor("layers[0].mlp.up"))).widened()[...])
    #expect(Array(up[(hidden * width)...]) == (0..<2 * width).map { 1 + Float($0) / 128 })
    let down = try #require(back.tensor("layers[0].mlp.down")).widened()
    #expect(down[hidden] == 2 && down[hidden + 2 + hidden + 1] == 2 + 3 / 128.0)
    let other = try #require(back.tensor("layers[1].mlp.gate")).widened()
    #expect(other[(hidden * width)...].allSatisfy { $0 == 0 })
  }

  @Test func aFolderThatIsInUseStaysAsItIs() throws {
    let base = try checkpoint(Self.configurations[0])
    try folder.write("mine", to: "hf/notes.txt")
    #expect(throws: CheckpointError.self) {
      try HuggingFaceExport.write(ExportedModel(base), as: .f32, to: folder["hf"])
    }
    #expect(try Folder.names(folder["hf"]) == ["notes.txt"])
    #expect(try !Folder.names(folder.path).contains { $0.hasSuffix(".partial") })
  }
}
