import Storage
import Tensors

/// Fills `range` rows of a tensor, widened to `f32`, row after row.
public typealias RowReader =
  (_ range: Range<Int>, _ target: UnsafeMutablePointer<Float>) throws(CheckpointError) -> Void

/// Where a writer takes a tensor's elements from.
public enum TensorSource {
  /// A tensor of another file: copied as it is where the element types agree, else converted.
  case stored(StoredTensor)
  /// Elements in memory, row-major.
  case values([Float])
  /// Rows asked for from first to last, each once, a chunk at a time.
  case rows(RowReader)
}
