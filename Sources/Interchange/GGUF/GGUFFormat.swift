import Checkpoints
import Models
import Storage

/// llama.cpp's GGUF files: one file with configuration, vocabulary and weights, which may be
/// quantised in blocks.
public enum GGUFFormat: ImportFormat {
  public static let origin = CheckpointOrigin.gguf

  public static func recognises(_ source: ImportSource) -> Bool {
    guard case .file(let file) = source else { return false }
    return GGUFFile.begins(file)
  }

  public static func open(_ source: ImportSource) throws(CheckpointError) -> ImportedModel {
    guard case .file(let mapped) = source else {
      throw .wrongKind(path: source.path, found: "a folder", expected: origin.rawValue)
    }
    let file = try GGUFFile(mapped)
    let description = try description(file)
    let family: any ModelFamily.Type
    let configuration: ModelConfiguration
    do throws(ConfigurationError) {
      family = try self.family(description.architecture)
      configuration = try family.configuration(gguf: description)
    } catch {
      throw CheckpointError(error, path: file.path)
    }
    try configuration.checkUsable(path: file.path, field: "metadata")
    try configuration.checkLayers(
      path: file.path, field: "block_count", tensors: file.tensors.count)
    let weights = try GGUFWeights(
      file, configuration, interleavesRotaryRows: family.ggufInterleavesRotaryRows)
    return ImportedModel(
      configuration: configuration,
      vocabulary: try GGUFVocabulary(file.metadata, rows: configuration.vocabularySize),
      elementType: weights.elementType,
      tensors: { (name) throws(CheckpointError) in weights.source(name) })
  }

  private static func family(
    _ architecture: String
  ) throws(ConfigurationError) -> any ModelFamily.Type {
    let families = ModelFamilies.all
    guard let family = families.first(where: { $0.ggufArchitectures.contains(architecture) }) else {
      throw .unsupported(
        field: "general.architecture", found: "'\(architecture)'",
        expected: families.flatMap { $0.ggufArchitectures }.joined(separator: ", "))
    }
    return family
  }

  /// What families read of a file.
  private static func description(_ file: GGUFFile) throws(CheckpointError) -> GGUFDescription {
    let metadata = file.metadata
    if let type = try metadata.text("general.type"), type != "model" {
      throw .unsupported(
        path: file.path, field: "general.type", found: "'\(type)'", expected: "'model'")
    }
    if let count = try metadata.integer("split.count", in: 0...Int.max), count > 1 {
      throw .unsupported(
        path: file.path, field: "split.count", found: "a model in \(count) files",
        expected: "one file; llama-gguf-split --merge makes one of them")
    }
    let key = "general.architecture"
    guard let architecture = try metadata.text(key) else { throw metadata.problem(key, "a text") }
    guard let embedding = file.tensors["token_embd.weight"], embedding.shape.count == 2 else {
      throw .damaged(
        path: file.path, field: "tensors", found: "no matrix 'token_embd.weight'",
        expected: "the weights of a model; a file of a vocabulary alone has none")
    }
    return GGUFDescription(
      architecture: architecture,
      fields: ConfigurationFields(
        try metadata.members(under: architecture + "."), place: architecture),
      vocabularySize: embedding.shape[0], tensors: Set(file.tensors.keys),
      rotaryFactors: file.tensors[GGUFWeights.rotaryFactors].map {
        GGUFRows(file: file.file, tensor: $0).vector()
      })
  }
}
