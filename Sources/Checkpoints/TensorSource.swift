import Storage
import Tensors

/// Writes rows `range` of a tensor to the target as `f32`, row-major.
public typealias RowReader =
  (_ range: Range<Int>, _ target: UnsafeMutablePointer<Float>) throws(CheckpointError) -> Void

/// A row of an int8 matrix where it is stored: value = scale · q.
public struct IntegerRow {
  /// q, as many as the row has elements.
  public let values: UnsafePointer<Int8>
  public let scale: Float

  public init(values: UnsafePointer<Int8>, scale: Float) {
    self.values = values
    self.scale = scale
  }
}

/// Rows of a matrix of which some or all are in int8.
public struct IntegerRows {
  /// Gives any of them as f32.
  public let read: RowReader
  /// A row in int8; nil for one that is not.
  public let integers: (_ row: Int) -> IntegerRow?

  public init(read: @escaping RowReader, integers: @escaping (_ row: Int) -> IntegerRow?) {
    self.read = read
    self.integers = integers
  }

  /// The same rows numbered from another one.
  func counted(from first: Int) -> IntegerRows {
    IntegerRows(
      read: { (range, target) throws(CheckpointError) in
        try read(range.lowerBound + first..<range.upperBound + first, target)
      }, integers: { integers($0 + first) })
  }
}

/// The source of a tensor's elements for a writer.
public enum TensorSource {
  /// A tensor of another file: copied if the element types agree, else converted.
  case stored(StoredTensor)
  /// Elements in memory, row-major.
  case values([Float])
  /// Rows read in order, each once, a chunk at a time.
  case rows(RowReader)
  /// Rows as above, of which some may be in int8 already; where the tensor is written in int8,
  /// those are copied with their scales.
  case integers(IntegerRows)

  /// The same elements with a constant added to each, in f32.
  ///
  /// - Parameter rowWidth: elements of a row.
  package func adding(_ offset: Float, rowWidth: Int) -> TensorSource {
    switch self {
    case .values(let values): .values(values.map { $0 + offset })
    case .stored(let tensor):
      TensorSource.rows { (range, target) throws(CheckpointError) in
        tensor.widenRows(range, into: target)
      }.adding(offset, rowWidth: rowWidth)
    case .integers(let rows): TensorSource.rows(rows.read).adding(offset, rowWidth: rowWidth)
    case .rows(let read):
      .rows { (range, target) throws(CheckpointError) in
        try read(range, target)
        for index in 0..<range.count * rowWidth { target[index] += offset }
      }
    }
  }
}
