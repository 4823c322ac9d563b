import Storage
import Tensors

/// An encoding of rows of a parameter; encodings differ in how a stored row becomes a merged one.
protocol RowEncodingRules: DeltaEncodingRules {}

extension RowEncodingRules {
  static var canBeMerged: Bool { true }
  static var changesOwnTensors: Bool { true }

  static func read(
    _ fields: JSONFields, name: String, shapes: [String: Shape], _ container: TensorContainer
  ) throws(CheckpointError) -> DeltaEntry.Stored {
    try fields.rows(of: name, try fields.baseShape(name, shapes[name]), container)
  }
}

/// The values of a parameter's rows after training.
enum RowValues: RowEncodingRules {
  static func merger(of entry: DeltaEntry, scale: Double) -> any RowMerger {
    Merger(entry: entry, scale: scale)
  }

  private struct Merger: RowMerger {
    let entry: DeltaEntry
    let scale: Double

    /// With a scale of 1, gives the stored values bit for bit.
    func add(
      row: Int, base: UnsafeMutablePointer<Float>, isFirst: Bool, to sum: inout [Double]
    ) {
      let stored = entry.storedRow(row)
      if scale == 1, isFirst {
        for i in sum.indices { sum[i] = Double(stored[i]) }
      } else {
        for i in sum.indices { sum[i] += scale * (Double(stored[i]) - Double(base[i])) }
      }
    }
  }
}

/// The difference that training made to a parameter's rows.
enum RowDifferences: RowEncodingRules {
  static func merger(of entry: DeltaEntry, scale: Double) -> any RowMerger {
    Merger(entry: entry, scale: scale)
  }

  private struct Merger: RowMerger {
    let entry: DeltaEntry
    let scale: Double

    func add(
      row: Int, base: UnsafeMutablePointer<Float>, isFirst: Bool, to sum: inout [Double]
    ) {
      let stored = entry.storedRow(row)
      for i in sum.indices { sum[i] += scale * Double(stored[i]) }
    }
  }
}

extension JSONFields {
  /// The rows that an entry holds.
  fileprivate func rows(
    of name: String, _ shape: Shape, _ container: TensorContainer
  ) throws(CheckpointError) -> DeltaEntry.Stored {
    try allow(["name", "encoding", "first_row", "rows"])
    let first = try int("first_row", in: 0...(shape[0] - 1))
    let count = try int("rows", in: 1...(shape[0] - first))
    let rows = first..<(first + count)
    let expected = Shape([count] + shape.extents.dropFirst())
    let tensor = try tensor(DeltaEntry.storedName(name, rows, of: shape[0]), container) {
      $0 == expected
    }
    return DeltaEntry.Stored(rows: rows, tensors: [tensor])
  }
}
