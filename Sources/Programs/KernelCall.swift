import Tensors

/// The part of a training step that a call belongs to; step profiles are kept by it.
public enum Phase: String, Codable, Sendable, CaseIterable {
  case forward, backward, update
}

/// When a call runs within an optimizer step of one or more micro-batches.
public enum Stage: String, Codable, Sendable, CaseIterable {
  /// Once, before the first micro-batch.
  case begin
  /// For every micro-batch.
  case body
  /// Once, after the last micro-batch.
  case finish
}

/// One kernel with everything it needs, as plain data. The meaning of buffers, sizes and scalars
/// stands in `sft_kernels.def` under the kernel's name.
public struct KernelCall: Hashable, Codable, Sendable {
  public var kernel: String
  public var buffers: [BufferView?]
  public var sizes: [Int]
  public var scalars: [Float]
  /// Work items; the worker pool gives each thread a contiguous range of them.
  public var items: Int
  /// Ranges start at multiples of this many items.
  public var grain: Int
  /// Ranges for each thread: a thread that is done with its own takes what is left, so that a core
  /// that was taken away for a while does not keep the others waiting.
  public var slices: Int
  /// Private scratch that each thread needs, in bytes.
  public var scratchBytes: Int
  /// Floating-point operations, a multiply-add counted as two.
  public var flops: Int
  public var phase: Phase
  public var stage: Stage

  public init(
    kernel: String, buffers: [BufferView?], sizes: [Int] = [], scalars: [Float] = [], items: Int,
    grain: Int = 1, slices: Int = 1, scratchBytes: Int = 0, flops: Int = 0, phase: Phase = .forward,
    stage: Stage = .body
  ) {
    self.kernel = kernel
    self.buffers = buffers
    self.sizes = sizes
    self.scalars = scalars
    self.items = items
    self.grain = grain
    self.slices = slices
    self.scratchBytes = scratchBytes
    self.flops = flops
    self.phase = phase
    self.stage = stage
  }
}
