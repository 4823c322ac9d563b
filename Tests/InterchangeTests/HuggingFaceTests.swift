import Checkpoints
import Interchange
import Models
import Storage
import Tensors
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct HuggingFaceTests {
  @Test(arguments: HuggingFaceType.allCases)
  func importsEveryType(_ type: HuggingFaceType) throws {
    let folder = try HuggingFaceFolder(TinyModel.configuration(tiedHead: false))
    try folder.write(folder.items(type))
    let checkpoint = try folder.imported()
    #expect(checkpoint.configuration == folder.configuration)
    #expect(checkpoint.tensor("head")?.elementType == (type == .bf16 ? .bf16 : .f32))
    for tensor in checkpoint.tensors {
      #expect(tensor.widened() == folder.weights[tensor.name]?.map(type.rounded), "\(tensor.name)")
    }
    #expect(checkpoint.metadata == ["format": .string(HuggingFaceFormat.origin.rawValue)])
  }

  /// Gemma 3, whose gains are stored differently, has tests of its own.
  @Test(arguments: FamilyCase.all.filter { $0.name != "gemma3" }, HuggingFaceType.allCases)
  func importsEveryFamily(_ family: FamilyCase, _ type: HuggingFaceType) throws {
    let folder = try HuggingFaceFolder(family.configuration)
    try folder.write(folder.items(type))
    let checkpoint = try folder.imported()
    #expect(checkpoint.configuration == family.configuration)
    for tensor in checkpoint.tensors {
      #expect(tensor.widened() == folder.weights[tensor.name]?.map(type.rounded), "\(tensor.name)")
    }
    // Fused or not, every tensor has to be there in its shape.
    for index in folder.items(type).indices {
      var items = folder.items(type)
      items[index].shape[0] += 1
      items[index].values += items[index].values.prefix(
        items[index].values.count / (items[index].shape[0] - 1))
      try folder.write(items)
      expectBadData("\(items[index].name) with a row too many") { _ = try folder.imported() }
      items.remove(at: index)
      try folder.write(items)
      expectBadData("no tensor \(index)") { _ = try folder.imported() }
    }
  }

  @Test func widensEveryHalfExactly() throws {
    let configuration = TinyModel.configuration(
      width: 256, hiddenWidth: 2, layers: 1, headWidth: 64, vocabularySize: 256)
    let folder = try HuggingFaceFolder(configuration)
    var items = folder.items(.f16)
    let every = (0...UInt16.max).map { Float(Float16(bitPattern: $0)) }
    let finite = every.map { $0.isFinite ? $0 : 0 }
    items[0].values = finite
    try folder.write(items)
    #expect(try folder.imported().tensor("embedding")?.widened() == finite)
    items[0].values = every
    try folder.write(items)
    expectBadData("halves that are not finite") { _ = try folder.imported() }
  }

  @Test func importsShards() throws {
    let folder = try HuggingFaceFolder(TinyModel.configuration())
    let items = folder.items(.f32)
    var map: JSONObject = [:]
    for (index, part) in [items[..<7], items[7...]].enumerated() {
      let name = "model-0000\(index + 1)-of-00002.safetensors"
      try folder.folder.write(safetensors(Array(part)), to: "m/" + name)
      for item in part { map[item.name] = .string(name) }
    }
    func write(_ map: JSONObject) throws {
      let index: JSONValue = ["metadata": ["total_size": 1], "weight_map": .object(map)]
      try folder.folder.write(index.encoded(.pretty), to: "m/model.safetensors.index.json")
    }
    try write(map)
    let checkpoint = try folder.imported()
    for tensor in checkpoint.tensors {
      #expect(tensor.widened() == folder.weights[tensor.name], "\(tensor.name)")
    }
    for value: JSONValue in ["../m/model-00001-of-00002.safetensors", "x", 1, nil, ""] {
      var wrong = map
      wrong["model.norm.weight"] = value
      try write(wrong)
      expectBadData("the shard \(value)") { _ = try folder.imported() }
    }
    var wrong = map
    wrong["model.norm.weight"] = "model-00001-of-00002.safetensors"
    try write(wrong)
    expectBadData("the wrong shard") { _ = try folder.imported() }
    wrong["model.norm.weight"] = nil
    try write(wrong)
    expectBadData("a tensor without a shard") { _ = try folder.imported() }
    wrong["model.norm.weight"] = "absent.safetensors"
    try write(wrong)
    #expect(failure { _ = try folder.imported() }?.category == .missingInput)
    try folder.folder.write("{\"weight_map\": [", to: "m/model.safetensors.index.json")
    expectBadData("a broken index") { _ = try folder.imported() }
  }

  @Test func aTiedWeightHasEitherNameOrBoth() throws {
    let folder = try HuggingFaceFolder(TinyModel.configuration(tiedHead: true))
    let items = folder.items(.f32)
    var head = items[0]
    head.name = "lm_head.weight"
    for stored in [items, items + [head], [head] + items.dropFirst()] {
      try folder.write(stored)
      let checkpoint = try folder.imported()
      #expect(checkpoint.tensor("embedding")?.widened() == folder.weights["embedding"])
      #expect(checkpoint.tensor("head") == nil)
    }
  }

  /// transformers 5 leaves a stored head that differs untied, whatever config.json says.
  @Test(arguments: HuggingFaceType.allCases)
  func aHeadThatDiffersIsTheModelsOwn(_ type: HuggingFaceType) throws {
    let folder = try HuggingFaceFolder(TinyModel.configuration(tiedHead: true))
    let items = folder.items(type)
    var head = items[0]
    head.name = "lm_head.weight"
    head.values[head.values.count - 1] += 1
    try folder.write(items + [head])
    let summary = try CheckpointImport.run(
      source: folder.folder["m"], tokenizer: nil, elementType: nil, output: folder.folder["x"])
    #expect(summary.notes.count == 1 && summary.notes[0].contains("'lm_head.weight'"))
    let checkpoint = try Checkpoint.open(folder.folder["x"])
    #expect(checkpoint.configuration == folder.configuration.untied)
    #expect(checkpoint.tensor("head")?.widened() == head.values.map(type.rounded))
    // Equal values in another type are the embedding's.
    head.values = items[0].values.map(type.rounded)
    head.type = .f32
    try folder.write(items + [head])
    #expect(try folder.imported().configuration == folder.configuration)
  }

  /// Weights saved from inside a wrapper are the model's own.
  @Test(arguments: [
    "_orig_mod.", "module.", "base_model.model.", "model.", "module._orig_mod.",
    "_orig_mod.module.", "base_model.model._orig_mod.",
  ])
  func wrappersAreTakenOffNames(_ prefix: String) throws {
    let folder = try HuggingFaceFolder(TinyModel.configuration(tiedHead: false))
    let items = folder.items(.f32)
    func renamed(_ name: (String) -> String) throws -> Checkpoint {
      try folder.write(
        items.map {
          var item = $0
          item.name = name(item.name)
          return item
        })
      return try folder.imported()
    }
    let plain = try renamed { $0 }.contentHash
    #expect(try renamed { prefix + $0 }.contentHash == plain)
    #expect(
      try renamed { $0.replacing("layers.1.", with: "layers.1._orig_mod.") }.contentHash == plain)
    let adapter = failure {
      _ = try renamed { prefix + $0.replacing("q_proj.weight", with: "q_proj.base_layer.weight") }
    }
    #expect(adapter?.description.contains("merge_and_unload") == true)
    let others = failure { _ = try renamed { "x." + $0 } }
    #expect(others?.category == .badData)
    let text = others?.description ?? ""
    #expect(text.contains("found no 'model.") && text.contains("the weights have 'x."))
    #expect(!text.contains("damaged"))
  }

  /// What does not belong together is not called damaged.
  @Test func mismatchesAreSaid() throws {
    let folder = try HuggingFaceFolder(TinyModel.configuration())
    try folder.write(folder.items(.f32))
    try folder.folder.write(TinyModel.wordTokenizer(pieces: 41), to: "m/tokenizer.model")
    let pieces = failure { _ = try folder.imported() }?.description ?? ""
    #expect(pieces.contains("pieces of the tokenizer: found 41, expected at most 40"))
    #expect(pieces.contains("the tokenizer of another model"))
    try folder.folder.write(TinyModel.wordTokenizer(), to: "m/tokenizer.model")
    try folder.write(
      config: HuggingFaceFolder.config(folder.configuration).replacing(
        ["intermediate_size"], with: 64))
    let shape = failure { _ = try folder.imported() }?.description ?? ""
    #expect(shape.contains("found [48, 32], expected [64, 32], from config.json"))
    for text in [pieces, shape] { #expect(!text.contains("damaged")) }
  }

  @Test func headsAreUntiedUnlessSaid() throws {
    let folder = try HuggingFaceFolder(TinyModel.configuration(tiedHead: false))
    try folder.write(folder.items(.f32))
    try folder.write(
      config: HuggingFaceFolder.config(folder.configuration).replacing(
        ["tie_word_embeddings"], with: nil))
    #expect(try folder.imported().configuration == folder.configuration)
    try folder.write(folder.items(.f32).filter { $0.name != "lm_head.weight" })
    expectBadData("no head") { _ = try folder.imported() }
  }

  @Test func importsBiases() throws {
    let configuration = TinyModel.configuration(
      attentionBias: true, outputBias: true, mlpBias: true)
    let folder = try HuggingFaceFolder(configuration)
    try folder.write(folder.items(.bf16))
    let checkpoint = try folder.imported()
    #expect(checkpoint.configuration == configuration)
    let name = "layers[1].attention.output.bias"
    #expect(checkpoint.tensor(name)?.elementType == .f32)
    #expect(
      checkpoint.tensor(name)?.widened() == folder.weights[name]?.map(HuggingFaceType.bf16.rounded))
  }

  @Test func passesOverBuffersAndRefusesOtherTensors() throws {
    let folder = try HuggingFaceFolder(TinyModel.configuration())
    let items = folder.items(.f32)
    func extra(_ name: String) -> SafetensorsItem {
      SafetensorsItem(name: name, type: .f32, shape: [4], values: [1, 2, 3, 4])
    }
    try folder.write(items + [extra("model.layers.0.self_attn.rotary_emb.inv_freq")])
    #expect(throws: Never.self) { try folder.imported() }
    try folder.write(items + [extra("model.layers.0.self_attn.q_proj.bias")])
    expectBadData("a bias that config.json does not know") { _ = try folder.imported() }
    try folder.write(Array(items.dropLast()))
    expectBadData("a missing tensor") { _ = try folder.imported() }
    var wrong = items
    wrong[0].shape = [32, 40]
    try folder.write(wrong)
    expectBadData("a transposed tensor") { _ = try folder.imported() }
  }

  @Test func saysWhatIsMissing() throws {
    let folder = try HuggingFaceFolder(TinyModel.configuration())
    let noWeights = failure { _ = try folder.imported() }
    #expect(noWeights?.category == .missingInput)
    #expect(noWeights?.description.contains("model.safetensors") == true)
    try folder.write(folder.items(.f32))
    unlink(folder.folder["m/tokenizer.model"])
    let noTokenizer = failure { _ = try folder.imported() }
    #expect(noTokenizer?.category == .missingInput)
    #expect(noTokenizer?.description.contains("--tokenizer") == true)
  }

  @Test func safetensorsHeadersAreChecked() throws {
    let folder = try HuggingFaceFolder(TinyModel.configuration())
    let items = folder.items(.f32)
    let name = "model.norm.weight"
    let huge: JSONValue = .int(.max)
    let edits: [(path: [String], value: JSONValue?)] = [
      ([name], nil), ([name], 1), ([name, "dtype"], nil), ([name, "dtype"], "F64"),
      ([name, "dtype"], "X"), ([name, "dtype"], "I32"), ([name, "shape"], [31]),
      ([name, "shape"], [-32]), ([name, "shape"], [huge, huge]), ([name, "shape"], "32"),
      ([name, "shape"], [.int(1 << 62), 8]), ([name, "data_offsets"], [0, 128]),
      ([name, "data_offsets"], [1]), ([name, "data_offsets"], [8, 0]),
      ([name, "data_offsets"], [-128, 0]), ([name, "data_offsets"], [huge, huge]),
      ([name, "data_offsets"], [0, huge]), ([name, "x"], 1),
      (["model.embed_tokens.weight", "data_offsets"], [4, 5124]), (["x"], [:]),
    ]
    for (path, value) in edits {
      let file = safetensors(items) { $0.replacing(path, with: value) }
      try folder.folder.write(file, to: "m/model.safetensors")
      expectBadData("\(path.joined(separator: ".")) = \(value ?? "nothing")") {
        _ = try folder.imported()
      }
    }
    for text: JSONValue in [[], 1, nil] {
      try folder.folder.write(safetensors(items) { _ in text }, to: "m/model.safetensors")
      expectBadData("the header \(text)") { _ = try folder.imported() }
    }
  }

  @Test func refusesTruncatedWeights() throws {
    let folder = try HuggingFaceFolder(TinyModel.configuration())
    let file = safetensors(folder.items(.f16))
    let header = file[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    let start = 8 + header
    var lengths = Array(0...16) + [start - 1, start, start + 1, start + 2560, file.count - 1]
    lengths.append(file.count / 2)
    for length in lengths {
      try folder.folder.write(Array(file[..<length]), to: "m/model.safetensors")
      expectBadData("\(length) bytes") { _ = try folder.imported() }
    }
    try folder.folder.write(file + [0], to: "m/model.safetensors")
    expectBadData("a byte too many") { _ = try folder.imported() }
    for length in [0, 1, UInt64(file.count), 1 << 40, .max] {
      try folder.folder.write(littleEndian(length) + file[8...], to: "m/model.safetensors")
      expectBadData("a header of \(length) bytes") { _ = try folder.imported() }
    }
  }

  @Test func randomBytesInAHeaderNeverTrap() throws {
    let folder = try HuggingFaceFolder(TinyModel.configuration(layers: 1))
    let file = safetensors(folder.items(.bf16))
    let start = 8 + file[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    var random = RandomSource(seed: 7)
    for _ in 0..<300 {
      var damaged = file
      damaged[random.integer(below: start)] ^= 1 << UInt8(random.integer(below: 8))
      try folder.folder.write(damaged, to: "m/model.safetensors")
      // Metadata may change without harm, so only the kind of failure is certain.
      let error = failure { _ = try folder.imported() }
      #expect(error == nil || error?.category == .badData)
    }
  }
}
