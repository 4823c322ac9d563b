import Tensors

/// The pass of a training step that a call belongs to; step profiles are split by it.
public enum Phase: String, Codable, Sendable, CaseIterable {
  case forward, backward, update
}

/// When a call runs within an optimizer step of one or more micro-batches.
public enum StepPart: String, Codable, Sendable, CaseIterable {
  /// Once, before the first micro-batch.
  case begin
  /// For every micro-batch.
  case body
  /// Once, after the last micro-batch.
  case finish
}

/// A kernel's name, with sizes and scalars in the order that `sft_kernels.def` documents.
public struct NamedKernel: Hashable, Sendable {
  public var name: String
  public var sizes: [Int]
  public var scalars: [Float]
  /// The operand type of its floating-point operations.
  public var multiplies: MatmulOperand

  public init(
    _ name: String, sizes: [Int] = [], scalars: [Float] = [], multiplies: MatmulOperand = .f32
  ) {
    self.name = name
    self.sizes = sizes
    self.scalars = scalars
    self.multiplies = multiplies
  }
}

/// One kernel with everything it needs, as plain data.
public struct KernelCall: Hashable, Sendable {
  /// What is computed.
  public enum Work: Hashable, Sendable {
    case matrixProduct(MatrixProduct)
    /// Any kernel that is not a matmul.
    case kernel(NamedKernel)
  }

  public var work: Work
  public var buffers: [BufferView?]
  /// Work items; the worker pool gives each thread a contiguous range of them.
  public var items: Int
  /// Ranges start at multiples of this many items.
  public var grain: Int
  /// Ranges per thread: a thread that finishes its own takes what is left, so that a core that
  /// another process took away for a while does not keep the others waiting.
  public var slices: Int
  /// Private scratch that each thread needs, in bytes.
  public var scratchBytes: Int
  /// Floating-point operations, a multiply-add counted as two.
  public var flops: Int
  public var phase: Phase
  public var part: StepPart

  /// A call of a kernel that is not a matmul.
  ///
  /// - Parameters:
  ///   - buffers: in the kernel's order, as are sizes and scalars.
  ///   - multiplies: the operand type of its floating-point operations.
  public init(
    kernel: String, buffers: [BufferView?], sizes: [Int] = [], scalars: [Float] = [],
    multiplies: MatmulOperand = .f32, items: Int, grain: Int = 1, slices: Int = 1,
    scratchBytes: Int = 0, flops: Int = 0, phase: Phase = .forward, part: StepPart = .body
  ) {
    assert(ProductKernel(named: kernel) == nil, "\(kernel) computes a product")
    work = .kernel(
      NamedKernel(kernel, sizes: sizes, scalars: scalars, multiplies: multiplies))
    self.buffers = buffers
    self.items = items
    self.grain = grain
    self.slices = slices
    self.scratchBytes = scratchBytes
    self.flops = flops
    self.phase = phase
    self.part = part
  }

  /// A call of a matmul.
  ///
  /// - Parameter buffers: as `MatrixProduct.buffers` orders them.
  public init(
    _ product: MatrixProduct, buffers: [BufferView?], phase: Phase = .forward,
    part: StepPart = .body
  ) {
    work = .matrixProduct(product)
    self.buffers = buffers
    items = product.items
    grain = MatrixProduct.grain
    slices = product.slices
    scratchBytes = product.scratchBytes
    flops = product.product.flops
    self.phase = phase
    self.part = part
  }
}

extension KernelCall {
  /// The kernel's name, sizes and scalars, also for a matmul.
  public var encoded: NamedKernel {
    switch work {
    case .matrixProduct(let product): product.encoded
    case .kernel(let kernel): kernel
    }
  }

  /// The kernel's name.
  public var kernel: String { encoded.name }

  /// The operand type of its floating-point operations.
  public var multiplies: MatmulOperand {
    switch work {
    case .matrixProduct(let product): product.product.operands
    case .kernel(let kernel): kernel.multiplies
    }
  }

  /// The matmul that the call computes, with its variant; nil if the kernel is not a matmul.
  public var matrixProduct: MatrixProduct? {
    if case .matrixProduct(let product) = work { product } else { nil }
  }

  /// The matmul that the call computes; nil if the kernel is not a matmul.
  public var product: Product? { matrixProduct?.product }

  /// The variant of the call's matmul; nil if the kernel is not a matmul.
  public var variant: ProductVariant? { matrixProduct?.variant }

  /// The variants of the call's matmul, its current one first; empty if the kernel is not a matmul.
  public var variants: [ProductVariant] { matrixProduct?.variants ?? [] }

  /// The same matmul in one of its `variants`.
  public func computed(_ variant: ProductVariant) -> KernelCall {
    guard var product = matrixProduct else { return self }
    product.variant = variant
    var call = self
    call.work = .matrixProduct(product)
    call.items = product.items
    call.slices = product.slices
    return call
  }
}
