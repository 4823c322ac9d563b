import Models
import Storage
import Tensors

/// Writes `.sfckpt` files, one chunk of one tensor in memory at a time.
public enum CheckpointWriter {
  /// Writes a checkpoint; it appears under `path` whole or not at all.
  ///
  /// - Parameters:
  ///   - tokenizer: carried along as it is.
  ///   - metadata: an object with whatever is worth knowing of the weights' origin.
  ///   - elementType: how matrices are stored; gains and biases are always `f32`.
  ///   - override: another element type for the matrix of a name, or nil for `elementType`.
  ///   - tensors: the elements of the parameter of a name; asked for in file order.
  /// - Returns: the content hash.
  /// - Throws: `CheckpointError`.
  @discardableResult
  public static func write(
    to path: String, configuration: ModelConfiguration, tokenizer: StoredTokenizer,
    metadata: JSONObject = [:], elementType: ElementType,
    override: (String) -> ElementType? = { _ in nil },
    tensors: (String) throws(CheckpointError) -> TensorSource
  ) throws(CheckpointError) -> String {
    precondition(configuration.problem == nil, configuration.problem ?? "")
    let planned = configuration.parameters.map { parameter in
      let type = parameter.isMatrix ? override(parameter.name) ?? elementType : .f32
      return PlannedTensor(name: parameter.name, elementType: type, shape: parameter.shape)
    }
    let writer = ContainerWriter(
      kind: .checkpoint,
      header: [
        "configuration": configuration.json, "tokenizer": ["kind": .string(tokenizer.kind)],
        "metadata": .object(metadata),
      ],
      blobs: [(Checkpoint.tokenizerBlob, tokenizer.bytes)], tensors: planned)
    return try writer.write(to: path) { (index) throws(CheckpointError) in
      try tensors(planned[index].name)
    }
  }
}
