import Storage
import Tensors

/// More hidden units of a block's gated MLP of width D: their rows of gate and up `[r, D]` and their
/// columns of down `[D, r]`. Merged, they make every MLP of the model wider.
///
/// Stored as three tensors under the MLP's path with `.gate.added`, `.up.added` and `.down.added`.
enum AddedUnits: DeltaEncodingRules {
  static let canBeMerged = true
  static let changesOwnTensors = false

  /// The linear maps of the MLP, in the order of an entry's tensors.
  static let kinds: [LinearKind] = [.gate, .up, .down]

  /// Names of the stored tensors.
  static func tensorNames(of mlp: String) -> [String] {
    kinds.map { "\(mlp).\($0.rawValue).added" }
  }

  static func read(
    _ fields: JSONFields, name: String, shapes: [String: Shape], _ container: TensorContainer
  ) throws(CheckpointError) -> DeltaEntry.Stored {
    try fields.allow(["name", "encoding"])
    guard let width = shapes["\(name).\(LinearKind.gate.rawValue)"]?.columns,
      ParameterPath(name)?.layer != nil
    else { throw fields.problem("name", .string(name), "the path of a block's MLP") }
    let names = tensorNames(of: name)
    let gate = try fields.tensor(names[0], container) { $0.rank == 2 && $0[1] == width }
    let up = try fields.tensor(names[1], container) { $0 == gate.shape }
    let down = try fields.tensor(names[2], container) { $0 == [width, gate.shape[0]] }
    return DeltaEntry.Stored(rows: 0..<gate.rowCount, tensors: [gate, up, down])
  }

  static func merger(of entry: DeltaEntry, scale: Double) -> any RowMerger {
    preconditionFailure("units of '\(entry.name)' are rows of no tensor")
  }
}
