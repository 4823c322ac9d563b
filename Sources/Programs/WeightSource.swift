/// Where programs find tensors that they do not compute: the addresses of frozen weights, and the
/// contents of parameters before the first step.
public protocol WeightSource {
  /// The address of a buffer outside the arena, which stays valid for as long as the source lives;
  /// nil if there is none.
  func address(of buffer: Buffer) -> UnsafeRawPointer?

  /// Writes rows of a checkpoint's tensor as f32.
  func readRows(of name: String, _ rows: Range<Int>, into target: UnsafeMutablePointer<Float>)

  /// Rows of a checkpoint's int8 tensor as they are stored; nil where it is of another type.
  func storedIntegers(of name: String, _ rows: Range<Int>) -> StoredIntegers?
}

extension WeightSource {
  public func storedIntegers(of name: String, _ rows: Range<Int>) -> StoredIntegers? { nil }
}

/// Rows of an int8 matrix: value = scale of the row · q.
public struct StoredIntegers {
  /// q, row-major.
  public var values: UnsafePointer<Int8>
  /// One for each row.
  public var scales: UnsafePointer<Float>

  public init(values: UnsafePointer<Int8>, scales: UnsafePointer<Float>) {
    self.values = values
    self.scales = scales
  }
}
