import Checkpoints
import Models
import Storage
import Tensors

/// A Hugging Face folder: `config.json`, `model.safetensors` or its shards with
/// `model.safetensors.index.json`, and perhaps a tokenizer's files. Rotary rows are in the halves
/// layout already.
public enum HuggingFaceFormat: ImportFormat {
  public static let origin = CheckpointOrigin.huggingFace

  public static func recognises(_ source: ImportSource) -> Bool {
    guard case .folder(let folder) = source else { return false }
    return Folder.exists(folder + "/config.json")
  }

  /// The configuration in a `config.json`.
  /// - Throws: `CheckpointError`.
  public static func configuration(
    path: String
  ) throws(CheckpointError) -> ModelConfiguration {
    try HuggingFaceConfiguration.read(path: path)
  }

  public static func open(_ source: ImportSource) throws(CheckpointError) -> ImportedModel {
    let folder = source.path
    let configuration = try configuration(path: folder + "/config.json")
    let weights = try HuggingFaceWeights(folder: folder, configuration)
    return ImportedModel(
      configuration: weights.configuration,
      vocabulary: HuggingFaceVocabulary(folder: folder, rows: configuration.vocabularySize),
      elementType: weights.elementType,
      leftOut: weights.leftOut == 0
        ? nil : "\(weights.leftOut) tensors \(configuration.familyType.otherTensors)",
      notes: weights.notes,
      tensors: { (name) throws(CheckpointError) in try weights.source(name) })
  }
}

/// The tensors of all shards, matched to a configuration's parameters.
struct HuggingFaceWeights {
  private struct Found {
    let name: String
    let file: SafetensorsFile
    let entry: SafetensorsFile.Entry
    /// What the parameter's elements have more than the tensor's.
    let offset: Float
  }

  private var found: [String: Found] = [:]
  private let folder: String
  /// The configuration given, untied if the files hold a head of its own.
  private(set) var configuration: ModelConfiguration
  /// Tensors that are no part of the language model.
  private(set) var leftOut = 0
  /// How the files were read where a person may be surprised.
  private(set) var notes: [String] = []

  init(folder: String, _ configuration: ModelConfiguration) throws(CheckpointError) {
    self.folder = folder
    self.configuration = configuration
    var tensors = try languageModel(try Self.tensors(folder), configuration.familyType)
    try configuration.checkLayers(
      path: folder, field: "num_hidden_layers in config.json", tensors: tensors.count)
    // A tied weight may be stored under either name, or both.
    let head = configuration.untied.schema[ParameterPath(.head)]?.foreignTensors[.huggingFace]?.name
    if configuration.tiedHead, let head { try untie(tensors, head: head) }
    let (configuration, schema) = (self.configuration, self.configuration.schema)
    for (usual, parameters) in schema.tensors(in: .huggingFace) {
      let role = parameters[0].path.role
      let isMissing = tensors[usual] == nil
      let name = role == .embedding && configuration.tiedHead && isMissing ? head ?? usual : usual
      guard let (file, entry) = tensors.removeValue(forKey: name) else {
        throw .mismatch(
          path: folder, field: "tensors", found: "no '\(name)'",
          expected: "all weights that config.json asks for"
            + (role == .head ? " (or tie_word_embeddings)" : ""),
          next: Self.advice(tensors.keys))
      }
      for parameter in parameters {
        found[parameter.name] = try Self.found(parameter, in: file, name, entry)
      }
    }
    if configuration.tiedHead, let head { tensors[head] = nil }
    if let other = tensors.keys.filter({ !$0.hasSuffix(".rotary_emb.inv_freq") }).min() {
      throw .mismatch(
        path: folder, field: "tensors", found: "'\(other)'",
        expected: "only the weights that config.json asks for", next: Self.advice([]))
    }
  }

  /// What to do about tensors that are not those of the configuration.
  private static func advice(_ names: some Sequence<String>) -> String {
    "check that config.json and the weights belong together"
      + (names.min().map { "; the weights have '\($0)', too" } ?? "")
  }

  /// Takes a head that differs from the embedding for one of its own, as transformers 5 does, whatever
  /// config.json says.
  private mutating func untie(_ tensors: Tensors, head name: String) throws(CheckpointError) {
    guard
      let table = configuration.schema[ParameterPath(.embedding)]?.foreignTensors[.huggingFace],
      let embedding = tensors[table.name], let head = tensors[name],
      try !SafetensorsFile.areEqual(embedding, head)
    else { return }
    configuration = configuration.untied
    notes.append(
      "config.json ties the head to the embedding, but '\(name)' is stored and differs: the model "
        + "has a head of its own, as in transformers")
  }

  /// The parameter's rows of a tensor.
  private static func found(
    _ parameter: ParameterDescription, in file: SafetensorsFile, _ name: String,
    _ entry: SafetensorsFile.Entry
  ) throws(CheckpointError) -> Found {
    let foreign = parameter.foreignTensors[.huggingFace]
    let extents = foreign?.extents(of: parameter.shape.extents) ?? parameter.shape.extents
    guard entry.shape == extents else {
      throw .mismatch(
        path: file.path, field: "shape of '\(name)'", found: "\(Shape(entry.shape))",
        expected: "\(Shape(extents)), from config.json",
        next: "check that config.json and the weights belong together")
    }
    return Found(
      name: name, file: file, entry: foreign?.part.map { entry.part($0.rows) } ?? entry,
      offset: foreign?.offset ?? 0)
  }

  /// The narrowest type that holds every matrix exactly: bf16 where all are.
  var elementType: ElementType {
    found.values.allSatisfy { $0.entry.type == "BF16" || $0.entry.shape.count == 1 } ? .bf16 : .f32
  }

  func source(_ parameter: String) throws(CheckpointError) -> TensorSource {
    guard let found = found[parameter] else { preconditionFailure("no parameter '\(parameter)'") }
    let source = try found.file.source(found.name, found.entry)
    guard found.offset != 0 else { return source }
    return source.adding(
      found.offset, rowWidth: found.entry.shape.dropFirst().reduce(1, *))
  }

  /// The language model's tensors under their usual names.
  private mutating func languageModel(
    _ tensors: Tensors, _ family: any ModelFamily.Type
  ) throws(CheckpointError) -> Tensors {
    var found: Tensors = [:]
    var wrappers: Set<String> = []
    for (name, tensor) in tensors {
      let (inner, around) = WrappedNames.unwrapped(name)
      guard !WrappedNames.isAdapter(name) else {
        throw .mismatch(
          path: folder, field: "tensors", found: "'\(name)', of an adapter that is not merged",
          expected: "a model's own weights",
          next: "save it behind merge_and_unload(), or import the adapter's own folder with --model"
        )
      }
      wrappers.formUnion(around)
      guard let usual = family.languageModelName(huggingFace: inner) else {
        leftOut += 1
        continue
      }
      guard found.updateValue(tensor, forKey: usual) == nil else {
        throw .damaged(
          path: folder, field: "tensors", found: "'\(name)' and another one of its meaning",
          expected: "each weight once")
      }
    }
    if !wrappers.isEmpty {
      notes.append(
        "the weights were saved from inside \(wrappers.sorted().joined(separator: " and ")), which "
          + "changed their names; they are read under their own")
    }
    return found
  }

  // MARK: shards

  private typealias Tensors = [String: (SafetensorsFile, SafetensorsFile.Entry)]

  private static func tensors(_ folder: String) throws(CheckpointError) -> Tensors {
    let single = folder + "/model.safetensors"
    guard !Folder.exists(single) else {
      let file = try SafetensorsFile(path: single)
      return file.entries.mapValues { (file, $0) }
    }
    let index = single + ".index.json"
    guard Folder.exists(index) else {
      throw .missing(
        path: folder, what: "model.safetensors or model.safetensors.index.json",
        next: "other weight files, such as pytorch_model.bin, are not read; convert them first")
    }
    return try shards(folder, index)
  }

  private static func shards(
    _ folder: String, _ index: String
  ) throws(CheckpointError) -> Tensors {
    let value = try wrapping { () throws(StorageError) in try JSONValue.read(path: index) }
    let map = try JSONFields(value, path: index, place: "").fields("weight_map")
    var files: [String: SafetensorsFile] = [:]
    var tensors: Tensors = [:]
    for name in map.object.keys {
      let shard = try map.string(name)
      guard shard.hasSuffix(".safetensors"), !shard.contains("/") else {
        throw map.problem(name, .string(shard), "the name of a .safetensors file in this folder")
      }
      if files[shard] == nil { files[shard] = try SafetensorsFile(path: folder + "/" + shard) }
      guard let file = files[shard] else { continue }
      guard let entry = file.entries[name] else {
        throw .damaged(
          path: file.path, field: "tensors", found: "no '\(name)'",
          expected: "the tensors that \(index) says are here")
      }
      tensors[name] = (file, entry)
    }
    return tensors
  }
}
