import Adaptations
import Checkpoints
import Models
import Tensors

/// The ladder of a delta: tensors that the base does not have, and that make up a whole ladder.
struct DeltaLadder {
  /// The ladder's tensors as the delta stores them.
  let tensors: [LadderTensor: StoredTensor]
  /// The ladder's width.
  let width: Int

  /// - Returns: nil for a delta without tensors of its own.
  /// - Throws: `CheckpointError.unsupported` for tensors of another kind, `.damaged` for a ladder of
  ///   which something is missing or does not fit.
  init?(_ delta: Delta, _ configuration: ModelConfiguration) throws(CheckpointError) {
    var tensors: [LadderTensor: StoredTensor] = [:]
    for entry in delta.entries where entry.encoding == .tensor {
      guard let tensor = LadderTensor(name: entry.name) else {
        throw .unsupported(
          path: delta.path, field: "'\(entry.name)'",
          found: "a tensor that the base does not have",
          expected: "changes of the base's tensors, or a ladder")
      }
      tensors[tensor] = entry.tensors[0]
    }
    guard !tensors.isEmpty else { return nil }
    let shapes = tensors.mapValues(\.shape)
    let output = shapes[.output]
    let width = output?.columns ?? 0
    let layers = Set(tensors.keys.compactMap { $0.place?.layer }).sorted()
    let expected = LadderTensor.shapes(
      width: width, modelWidth: configuration.width, layers: layers)
    let wrong = Set(expected.keys).union(shapes.keys).filter { expected[$0] != shapes[$0] }
    let isInModel = layers.allSatisfy { $0 < configuration.layers } && !layers.isEmpty
    guard let output, output.rank == 2, wrong.isEmpty, isInModel else {
      let first = wrong.map(\.name).min() ?? LadderTensor.output.name
      let found = shapes.first { $0.key.name == first }.map { "\($0.value)" } ?? "no such tensor"
      throw .damaged(
        path: delta.path, field: first, found: found,
        expected:
          "the tensors of a ladder beside the base's \(configuration.layers) blocks of width "
          + "\(configuration.width)")
    }
    self.tensors = tensors
    self.width = width
  }
}
