import Tensors

/// The part of a training step that a call belongs to; step profiles are kept by it.
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

/// A kernel by its name, with sizes and scalars in its own order; `sft_kernels.def` says what they
/// mean.
public struct NamedKernel: Hashable, Sendable {
  public var name: String
  public var sizes: [Int]
  public var scalars: [Float]
  /// What its floating-point operations multiply.
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
    /// Any other kernel.
    case kernel(NamedKernel)
  }

  public var work: Work
  public var buffers: [BufferView?]
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
  public var part: StepPart

  /// A call of a kernel that computes no product.
  ///
  /// - Parameters:
  ///   - buffers: in the kernel's order, as are sizes and scalars.
  ///   - multiplies: what its floating-point operations multiply.
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

  /// A call that computes a product.
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
  /// The kernel's name, sizes and scalars, of a product as well.
  public var encoded: NamedKernel {
    switch work {
    case .matrixProduct(let product): product.encoded
    case .kernel(let kernel): kernel
    }
  }

  /// The kernel's name.
  public var kernel: String { encoded.name }

  /// What its floating-point operations multiply.
  public var multiplies: MatmulOperand {
    switch work {
    case .matrixProduct(let product): product.product.operands
    case .kernel(let kernel): kernel.multiplies
    }
  }

  /// The product that the call computes and how; nil if it computes none.
  public var matrixProduct: MatrixProduct? {
    if case .matrixProduct(let product) = work { product } else { nil }
  }

  /// The product that the call computes; nil if it computes none.
  public var product: Product? { matrixProduct?.product }

  /// How the call computes its product; nil if it computes none.
  public var variant: ProductVariant? { matrixProduct?.variant }

  /// The variants of the call's product, its present one first; none if it computes none.
  public var variants: [ProductVariant] { matrixProduct?.variants ?? [] }

  /// The same product in one of its `variants`.
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
