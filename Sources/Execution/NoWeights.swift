import Programs

/// A weight source without weights, for programs whose buffers are all in their arena.
public struct NoWeights: WeightSource {
  public init() {}

  public func address(of buffer: Buffer) -> UnsafeRawPointer? { nil }

  public func readRows(
    of name: String, _ rows: Range<Int>, into target: UnsafeMutablePointer<Float>
  ) {
    preconditionFailure("no tensor '\(name)'")
  }
}
