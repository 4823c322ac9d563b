import Storage
import Tensors

/// The rows of a matrix after training in int8, as the int8 tensor that was trained: merged as
/// values q · scale, and with X = 1 into a matrix in int8 as they are.
enum RowIntegers: RowEncodingRules {
  static func read(
    _ fields: JSONFields, name: String, shapes: [String: Shape], _ container: TensorContainer
  ) throws(CheckpointError) -> DeltaEntry.Stored {
    let stored = try RowValues.read(fields, name: name, shapes: shapes, container)
    if let other = stored.tensors.first(where: { $0.elementType != .int8 }) {
      throw .damaged(
        path: container.path, field: "type of \(other.name)", found: other.elementType.rawValue,
        expected: ElementType.int8.rawValue)
    }
    return stored
  }

  static func merger(of entry: DeltaEntry, scale: Double) -> any RowMerger {
    RowValues.merger(of: entry, scale: scale)
  }
}

extension DeltaEntry {
  /// The rows of an entry in this encoding, by their index in the parameter.
  var integerRows: IntegerRows {
    let (tensor, first) = (tensors[0], rows.lowerBound)
    return IntegerRows(
      read: { (range, target) throws(CheckpointError) in
        tensor.widenRows(range.lowerBound - first..<range.upperBound - first, into: target)
      }, integers: { tensor.integerRow($0 - first) })
  }
}

extension DeltaMerge {
  /// The merged rows of a matrix that are in int8 as they are: those of a delta's integers, alone
  /// and with X = 1, and unchanged ones of a base in int8. Nil where no delta has integers of the
  /// matrix: then all rows get new scales.
  func integers(of name: String) -> ((_ row: Int) -> IntegerRow?)? {
    guard let changes = ownChanges(of: name),
      changes.contains(where: { $0.entry.encoding == .integers })
    else { return nil }
    let origin = origin(of: name)
    var sources = [RowOrigin](repeating: .base, count: origin.rowCount)
    for (index, change) in changes.enumerated() {
      let isWhole = change.entry.encoding == .integers && change.scale == 1
      for row in change.entry.rows {
        sources[row] = isWhole && sources[row] == .base ? .integers(of: index) : .sum
      }
    }
    return { row in
      switch sources[row] {
      case .base: origin.integerRow(row)
      case .integers(let index):
        changes[index].entry.tensors[0].integerRow(row - changes[index].entry.rows.lowerBound)
      case .sum: nil
      }
    }
  }

  /// What a merged row is.
  private enum RowOrigin: Equatable {
    case base
    /// The change with this number.
    case integers(of: Int)
    case sum
  }
}
