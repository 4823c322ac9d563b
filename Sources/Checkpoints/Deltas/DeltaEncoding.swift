import Storage
import Tensors

/// How a delta spells a change of one tensor: a file each in this folder, and a line in `rules`.
public enum DeltaEncoding: String, Sendable, CaseIterable {
  /// The new rows themselves: exact.
  case values
  /// New rows minus the base's.
  case difference
  /// new = base + scale · B·A (Hu et al. 2021), A `[r, in]`, B `[out, r]`.
  case lowRank = "low_rank"
  /// A tensor that the base does not have, whole.
  case tensor

  var rules: any DeltaEncodingRules.Type {
    switch self {
    case .values: RowValues.self
    case .difference: RowDifferences.self
    case .lowRank: LowRankFactors.self
    case .tensor: NewTensor.self
    }
  }

  /// Whether a change so spelled can become part of the base's own tensors; what can't stays beside
  /// them when the model is run.
  public var canBeMerged: Bool { rules.canBeMerged }
}

/// What an encoding knows: how its entries are read, and how they go into weights.
protocol DeltaEncodingRules {
  static var canBeMerged: Bool { get }
  /// Reads and checks an entry.
  ///
  /// - Parameters:
  ///   - shape: of the base's tensor of that name; nil where it has none.
  static func read(
    _ fields: JSONFields, name: String, shape: Shape?, _ container: TensorContainer
  ) throws(CheckpointError) -> DeltaEntry.Stored
  /// The entry's part in merged rows.
  ///
  /// - Parameter scale: of the delta.
  static func merger(of entry: DeltaEntry, scale: Double) -> any RowMerger
}

/// One entry's part in the rows of a merged tensor.
protocol RowMerger {
  /// Adds the entry's change of a row.
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
