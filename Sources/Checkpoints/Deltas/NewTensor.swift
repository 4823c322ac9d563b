import Storage
import Tensors

/// A tensor that the base does not have. It can't be merged: code that runs the model must insert
/// the operation that reads it.
enum NewTensor: DeltaEncodingRules {
  static let canBeMerged = false
  static let changesOwnTensors = false

  static func read(
    _ fields: JSONFields, name: String, shapes: [String: Shape], _ container: TensorContainer
  ) throws(CheckpointError) -> DeltaEntry.Stored {
    try fields.allow(["name", "encoding"])
    guard shapes[name] == nil else {
      throw fields.problem("name", .string(name), "a name that no parameter of the base has")
    }
    let tensor = try fields.tensor(name, container) { _ in true }
    return DeltaEntry.Stored(rows: 0..<tensor.rowCount, tensors: [tensor])
  }

  static func merger(of entry: DeltaEntry, scale: Double) -> any RowMerger {
    preconditionFailure("'\(entry.name)' can't be merged")
  }
}
