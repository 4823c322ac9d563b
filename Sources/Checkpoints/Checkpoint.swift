import Models
import Storage
import Tensors

/// A model's weights, configuration and tokenizer in a mapped `.sfckpt` file. The whole file is
/// checked on opening; weights are paged in when touched.
public final class Checkpoint: Sendable {
  /// The path that was opened.
  public let path: String
  /// The model's shape.
  public let configuration: ModelConfiguration
  /// SHA-256 of everything after the preamble, in hexadecimal digits; a delta names its base by it.
  public let contentHash: String
  /// Name of the tokenizer kind that reads `tokenizerBytes`. Whether this program has that kind is
  /// checked only when the tokenizer is loaded.
  public let tokenizerKind: String
  /// What overrides the tokenizer's bytes or adds to them.
  public let tokenizerSettings: TokenizerSettings
  /// What the writer recorded about the weights' origin; an object.
  public let metadata: JSONValue
  /// The tensors in file order: exactly the parameters of `configuration`.
  public let tensors: [StoredTensor]
  private let container: TensorContainer

  /// Maps a checkpoint and checks its preamble, hash and table, and that its tensors are exactly
  /// the configuration's parameters.
  ///
  /// - Parameter writtenHash: the content hash, if this process has just written the file: its bytes
  ///   are then not read for hashing them again.
  /// - Throws: `CheckpointError`.
  public static func open(
    _ path: String, writtenHash: String? = nil
  ) throws(CheckpointError) -> Checkpoint {
    try Checkpoint(TensorContainer(path: path, kind: .checkpoint, writtenHash: writtenHash))
  }

  private init(_ container: TensorContainer) throws(CheckpointError) {
    let namesKind = container.version >= 2
    let fields = try container.fields(
      ["configuration", "metadata"] + (namesKind ? ["tokenizer"] : []))
    configuration = try ModelConfiguration(fields.fields("configuration"))
    (tokenizerKind, tokenizerSettings) =
      namesKind
      ? try StoredTokenizer.read(
        fields.fields("tokenizer"), vocabularySize: configuration.vocabularySize)
      : (StoredTokenizer.unnamedKind, .init())
    metadata = .object(try fields.fields("metadata").object)
    guard container.blobNames == [Self.tokenizerBlob] else {
      throw fields.problem("blobs", nil, "exactly one blob, '\(Self.tokenizerBlob)'")
    }
    try Self.checkParameters(container, configuration)
    path = container.path
    contentHash = container.contentHash
    tensors = container.tensors
    self.container = container
  }

  static let tokenizerBlob = "tokenizer"

  private static func checkParameters(
    _ container: TensorContainer, _ configuration: ModelConfiguration
  ) throws(CheckpointError) {
    let path = container.path
    try configuration.checkLayers(
      path: path, field: "configuration.layers", tensors: container.tensors.count)
    let parameters = configuration.parameters
    for parameter in parameters {
      guard let tensor = container.tensor(parameter.name) else {
        throw .damaged(
          path: path, field: "tensors", found: "no '\(parameter.name)'",
          expected: "every parameter of the configuration")
      }
      guard tensor.shape == parameter.shape else {
        throw .damaged(
          path: path, field: "shape of \(parameter.name)", found: "\(tensor.shape)",
          expected: "\(parameter.shape)")
      }
      guard parameter.isMatrix || tensor.elementType == .f32 else {
        throw .damaged(
          path: path, field: "type of \(parameter.name)", found: tensor.elementType.rawValue,
          expected: "f32, as for every gain and bias")
      }
    }
    guard container.tensors.count == parameters.count else {
      let names = Set(parameters.map(\.name))
      let other = container.tensors.first { !names.contains($0.name) }
      throw .damaged(
        path: path, field: "tensors", found: "'\(other?.name ?? "")'",
        expected: "a parameter of the configuration")
    }
  }
}

extension Checkpoint {
  /// The tokenizer's serialized form, in the mapping: valid as long as this object.
  public var tokenizerBytes: UnsafeRawBufferPointer {
    container.blob(Self.tokenizerBlob) ?? UnsafeRawBufferPointer(start: nil, count: 0)
  }

  /// A copy of the tokenizer, for another checkpoint.
  public var tokenizer: StoredTokenizer {
    StoredTokenizer(
      kind: tokenizerKind, bytes: Array(tokenizerBytes), settings: tokenizerSettings)
  }

  /// The tensor of a parameter, or nil for a name that the configuration does not have.
  public func tensor(_ name: String) -> StoredTensor? { container.tensor(name) }

  /// The tensor that holds a trainable parameter's initial values: its own, the embedding for the
  /// `head` of a tied model, or zeros for the bias of a linear map that has none; nil for a name
  /// outside `ModelConfiguration.trainableParameters`.
  public func origin(of name: String) -> StoredTensor? {
    if let stored = tensor(name) { return stored }
    if configuration.tiedHead, name == ParameterRole.head.rawValue {
      return tensor(ParameterRole.embedding.rawValue)
    }
    guard let path = ParameterPath(name), path.layer != nil else { return nil }
    let kind = LinearKind.allCases.first { path.role == ParameterRole.linear($0).bias }
    guard let kind, let matrix = tensor(ParameterPath(layer: path.layer, .linear(kind)).description)
    else { return nil }
    return StoredTensor(zeros: name, [matrix.rowCount])
  }

  /// Rows of a parameter as `f32`; a gain or bias has rows of one element.
  public func rows(of name: String, _ range: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    guard let tensor = tensor(name) else {
      preconditionFailure("no parameter '\(name)' in \(path)")
    }
    tensor.widenRows(range, into: target)
  }

  /// Bytes of the whole file.
  public var byteCount: Int { container.byteCount }

  /// Checks that the file is the one that was checked when it was opened.
  ///
  /// - Throws: `StorageError.changed` if it was written to since.
  public func checkUnchanged() throws(StorageError) { try container.checkUnchanged() }

  /// Drops all pages from resident memory; touching a weight reads it again.
  public func releasePages() { container.releasePages() }

  /// Drops one parameter's pages from resident memory.
  public func releasePages(of name: String) { tensor(name)?.releasePages() }
}
