import Checkpoints
import Models
import Storage
import Tensors

/// Reads a Hugging Face `config.json` of any supported model family.
enum HuggingFaceConfiguration {
  /// The configuration in the file at `path`.
  static func read(path: String) throws(CheckpointError) -> ModelConfiguration {
    let value = try wrapping { () throws(StorageError) in try JSONValue.read(path: path) }
    guard let object = value.object else {
      throw .damaged(path: path, field: "document", found: value.kind, expected: "an object")
    }
    let fields = ConfigurationFields(object)
    let configuration: ModelConfiguration
    do throws(ConfigurationError) {
      let type = try fields.string("model_type")
      let known = ModelFamilies.all.flatMap { $0.huggingFaceTypes }
      guard let family = ModelFamilies.all.first(where: { $0.huggingFaceTypes.contains(type) })
      else { throw fields.unsupported("model_type", listed(known)) }
      configuration = try family.configuration(huggingFace: fields)
    } catch {
      throw CheckpointError(error, path: path)
    }
    try configuration.checkUsable(path: path, field: "configuration")
    return configuration
  }
}

extension CheckpointError {
  /// Wraps a configuration error with the path of its file.
  init(_ error: ConfigurationError, path: String) {
    switch error {
    case .damaged(let field, let found, let expected):
      self = .damaged(path: path, field: field, found: found, expected: expected)
    case .unsupported(let field, let found, let expected):
      self = .unsupported(path: path, field: field, found: found, expected: expected)
    }
  }
}

/// "a, b or c".
private func listed(_ words: [String]) -> String {
  guard let last = words.last, words.count > 1 else { return words.first ?? "" }
  return words.dropLast().joined(separator: ", ") + " or " + last
}
