import Tensors

/// A product as a kernel computes it: what is multiplied, where rows begin, what becomes of the
/// result, and who computes it how. `MatrixProduct+Encoding.swift` makes a kernel call of it.
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
  /// Whether the product is added to what the result holds.
  public var accumulates: Bool
  /// f32, or bf16 where bf16 values or bytes are multiplied.
  public var resultType: ElementType
  public var variant: ProductVariant
  /// Rows of a bf16 or int8 weight that are widened to f32 at a time, where a library multiplies
  /// floats; 0 elsewhere.
  public var panelRows: Int
  /// What the product is multiplied with.
  public var alpha: Float

  /// - Parameters:
  ///   - strides: nil: rows lie side by side.
  ///   - backend: nil: the usual one.
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

  /// Products of so few rows (`SFT_FEW_ROWS`) have a path of their own.
  private static let fewRows = 4

  /// The variants to choose from, the present one first.
  public var variants: [ProductVariant] {
    guard product.m > Self.fewRows else { return [variant] }
    let all = product.backends.flatMap { backend in
      ProductSplit.allCases.map { ProductVariant(backend, $0) }
    }
    return [variant] + all.filter { $0 != variant }
  }
}
