import Compilation

/// The type of the matmuls' operands in text generation, by program.
public struct GenerationPrecision: Hashable, Sendable {
  /// For blocks of the prompt.
  public var block: ProductPrecision
  /// For single tokens.
  public var single: ProductPrecision

  public init(block: ProductPrecision, single: ProductPrecision) {
    self.block = block
    self.single = single
  }

  /// A precision where it pays: for blocks of the prompt. With a single row of activations the
  /// weights' bytes are the bottleneck; kernels with f32 activations read them once, as they are
  /// stored, while bf16 and int8 kernels pack them into panels first (docs/performance.md).
  public init(_ precision: ProductPrecision) {
    self.init(block: precision, single: .f32)
  }
}
