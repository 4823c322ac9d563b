/// Where programs find tensors that they do not compute: the addresses of frozen weights, and the
/// contents of parameters before the first step.
public protocol WeightSource {
  /// The address of a buffer outside the arena, which stays valid for as long as the source lives;
  /// nil if there is none.
  func address(of buffer: Buffer) -> UnsafeRawPointer?

  /// Writes rows of a checkpoint's tensor as f32.
  func readRows(of name: String, _ rows: Range<Int>, into target: UnsafeMutablePointer<Float>)
}
