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
}
