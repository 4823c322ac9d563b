import Models
import Storage
import Tensors

/// Writes `.sfckpt` files with at most one chunk of one tensor in memory.
public enum CheckpointWriter {
  /// Writes a checkpoint; `path` gets the complete file or is left unchanged.
  ///
  /// - Parameters:
  ///   - tokenizer: stored unchanged.
  ///   - metadata: an object that describes the weights' origin.
  ///   - elementType: element type of matrices; gains and biases are always `f32`.
  ///   - override: element type of the named matrix, or nil for `elementType`.
  ///   - rounding: gets what rounding changes.
  ///   - finiteSource: where the weights come from; values that are not finite are refused in its
  ///     name. Nil where any may be written.
  ///   - tensors: the elements of the named parameter; called in file order.
  /// - Returns: the content hash.
  /// - Throws: `CheckpointError`.
  @discardableResult
  public static func write(
    to path: String, configuration: ModelConfiguration, tokenizer: StoredTokenizer,
    metadata: JSONObject = [:], elementType: ElementType,
    override: (String) -> ElementType? = { _ in nil }, rounding: RoundingErrors? = nil,
    finiteSource: String? = nil,
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
        "configuration": configuration.json, "tokenizer": .object(tokenizer.header),
        "metadata": .object(metadata),
      ],
      blobs: [(Checkpoint.tokenizerBlob, tokenizer.bytes)], tensors: planned, rounding: rounding,
      finiteSource: finiteSource)
    return try writer.write(to: path) { (index) throws(CheckpointError) in
      try tensors(planned[index].name)
    }
  }
}
