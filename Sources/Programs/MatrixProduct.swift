import Tensors

/// A matmul as a kernel computes it: operands, strides, whether it accumulates, the result's type
/// and the variant. `MatrixProduct+Encoding.swift` turns it into a kernel call.
public struct MatrixProduct: Hashable, Sendable {
  /// Elements from one row to the next.
  public struct Strides: Hashable, Sendable {
    /// Of the first operand: x, or dy.
    public var left: Int
    /// Of the second one: W, or x of the weight's gradient.
    public var right: Int
    public var result: Int

    public init(left: Int, right: Int, result: Int) {
      self.left = left
      self.right = right
      self.result = result
    }
  }

  public var product: Product
  public var strides: Strides
  /// Whether the matmul is added to the result's contents.
  public var accumulates: Bool
  /// The result's type: f32, or bf16 where bf16 or int8 is multiplied.
  public var resultType: ElementType
  public var variant: ProductVariant
  /// Rows of a bf16 or int8 weight that are widened to f32 at a time, where a library multiplies
  /// f32; 0 elsewhere.
  public var panelRows: Int
  /// The factor by which the matmul is scaled.
  public var alpha: Float

  /// - Parameters:
  ///   - strides: nil: rows are contiguous.
  ///   - backend: nil: the usual backend.
  public init(
    _ product: Product, strides: Strides? = nil, accumulates: Bool = false,
    resultType: ElementType = .f32, split: ProductSplit, backend: ProductBackend? = nil,
    panelRows: Int = 0, alpha: Float = 1
  ) {
    self.product = product
    let columns = product.kind == .forward ? product.k : product.n
    self.strides =
      strides ?? Strides(left: columns, right: product.k, result: product.result.columns)
    self.accumulates = accumulates
    self.resultType = resultType
    variant = ProductVariant(backend ?? product.usualBackend, split)
    self.panelRows = panelRows
    self.alpha = alpha
  }

  /// Matmuls of at most this many rows (`SFT_FEW_ROWS`) have a code path of their own.
  private static let fewRows = 4

  /// The variants to choose from, the current one first.
  public var variants: [ProductVariant] {
    guard product.m > Self.fewRows else { return [variant] }
    let all = product.backends.flatMap { backend in
      ProductSplit.allCases.map { ProductVariant(backend, $0) }
    }
    return [variant] + all.filter { $0 != variant }
  }
}
