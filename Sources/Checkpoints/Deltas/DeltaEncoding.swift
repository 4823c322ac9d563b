import Storage
import Tensors

/// How a delta stores a change of one tensor. Each encoding has a file in this folder and a line in
/// `rules`.
public enum DeltaEncoding: String, Sendable, CaseIterable {
  /// The new rows themselves: exact.
  case values
  /// The new rows of a matrix that was trained in int8, as its integers and scales: exact.
  case integers
  /// New rows minus the base's.
  case difference
  /// new = base + scale · B·A (Hu et al. 2021), A `[r, in]`, B `[out, r]`.
  case lowRank = "low_rank"
  /// More hidden units of a block's gated MLP.
  case hiddenUnits = "hidden_units"
  /// A whole tensor that the base does not have.
  case tensor

  var rules: any DeltaEncodingRules.Type {
    switch self {
    case .values: RowValues.self
    case .integers: RowIntegers.self
    case .difference: RowDifferences.self
    case .lowRank: LowRankFactors.self
    case .hiddenUnits: AddedUnits.self
    case .tensor: NewTensor.self
    }
  }

  /// Whether a change in this encoding can be merged into a checkpoint; otherwise it is kept as a
  /// separate tensor when the model runs.
  public var canBeMerged: Bool { rules.canBeMerged }

  /// Whether it changes a tensor that the base has, or that it implies, in its own shape.
  var changesOwnTensors: Bool { rules.changesOwnTensors }
}

/// An encoding's implementation: reads its entries and merges them into weights.
protocol DeltaEncodingRules {
  static var canBeMerged: Bool { get }
  /// Whether entries change rows of a tensor in the shape that it has.
  static var changesOwnTensors: Bool { get }
  /// Reads and checks an entry.
  ///
  /// - Parameters:
  ///   - shapes: of the base's tensors that can change, by name.
  static func read(
    _ fields: JSONFields, name: String, shapes: [String: Shape], _ container: TensorContainer
  ) throws(CheckpointError) -> DeltaEntry.Stored
  /// The entry's contribution to merged rows. Asked only of an encoding that changes tensors' own
  /// rows.
  ///
  /// - Parameter scale: the delta's scale.
  static func merger(of entry: DeltaEntry, scale: Double) -> any RowMerger
}

/// One entry's contribution to the rows of a merged tensor.
protocol RowMerger {
  /// Adds the entry's change to one row.
  ///
  /// - Parameters:
  ///   - row: of the whole tensor.
  ///   - base: the row's values in the base.
  ///   - isFirst: whether no other entry has changed the row yet.
  ///   - sum: the merged row so far.
  func add(
    row: Int, base: UnsafeMutablePointer<Float>, isFirst: Bool, to sum: inout [Double])
}

extension JSONFields {
  /// The shape of the base's tensor that an entry changes.
  func baseShape(_ name: String, _ shape: Shape?) throws(CheckpointError) -> Shape {
    guard let shape else {
      throw problem("name", .string(name), "a parameter of the base's configuration, or its head")
    }
    return shape
  }

  /// A stored tensor that an entry refers to.
  func tensor(
    _ name: String, _ container: TensorContainer, _ fits: (Shape) -> Bool
  ) throws(CheckpointError) -> StoredTensor {
    guard let tensor = container.tensor(name) else {
      throw problem("name", nil, "a stored tensor '\(name)'")
    }
    guard fits(tensor.shape) else {
      throw .damaged(
        path: path, field: "shape of \(name)", found: "\(tensor.shape)",
        expected: "the shape that \(place) asks for")
    }
    return tensor
  }
}
