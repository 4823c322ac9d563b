import Storage
import Tensors

/// Writes rows `range` of a tensor to the target as `f32`, row-major.
public typealias RowReader =
  (_ range: Range<Int>, _ target: UnsafeMutablePointer<Float>) throws(CheckpointError) -> Void

/// The source of a tensor's elements for a writer.
public enum TensorSource {
  /// A tensor of another file: copied if the element types agree, else converted.
  case stored(StoredTensor)
  /// Elements in memory, row-major.
  case values([Float])
  /// Rows read in order, each once, a chunk at a time.
  case rows(RowReader)

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
    case .rows(let read):
      .rows { (range, target) throws(CheckpointError) in
        try read(range, target)
        for index in 0..<range.count * rowWidth { target[index] += offset }
      }
    }
  }
}
