import Tensors

// Letters: m tokens, n outputs, k inputs; W is [n, k].

/// Which of a linear map's three matmuls a product is.
public enum ProductKind: String, Sendable, CaseIterable {
  /// y[m,n] = x[m,k]·Wᵀ.
  case forward
  /// dx[m,k] = dy[m,n]·W.
  case inputGradient
  /// dW[n,k] = dyᵀ·x[m,k].
  case weightGradient
}

/// A matmul with a weight, or a gradient of one: its types and sizes, which largely determine the
/// time it takes.
public struct Product: Hashable, Sendable {
  public var kind: ProductKind
  /// The operand type.
  public var operands: MatmulOperand
  /// How the weight is stored: f32, bf16 or int8; nil for the weight's gradient, which reads none.
  public var weightType: ElementType?
  /// Tokens, outputs and inputs.
  public var m: Int
  public var n: Int
  public var k: Int

  public init(
    _ kind: ProductKind, operands: MatmulOperand, weightType: ElementType? = nil, m: Int, n: Int,
    k: Int
  ) {
    self.kind = kind
    self.operands = operands
    self.weightType = weightType
    self.m = m
    self.n = n
    self.k = k
  }

  /// Rows and columns of the result.
  public var result: (rows: Int, columns: Int) {
    switch kind {
    case .forward: (m, n)
    case .inputGradient: (m, k)
    case .weightGradient: (n, k)
    }
  }

  /// Terms of each sum: the inner extent.
  public var summed: Int {
    switch kind {
    case .forward: k
    case .inputGradient: n
    case .weightGradient: m
    }
  }

  /// Floating-point operations, a multiply-add counted as two.
  public var flops: Int { 2 * m * n * k }

  /// The backend unless another variant is chosen.
  public var usualBackend: ProductBackend { operands == .f32 ? .openBLAS : .tiles }

  /// The backends that can compute it: a library multiplies only f32.
  public var backends: [ProductBackend] {
    operands == .f32 ? ProductBackend.allCases : [.tiles]
  }
}

/// What computes a matmul.
public enum ProductBackend: String, Codable, Sendable, CaseIterable {
  case openBLAS = "OpenBLAS"
  /// This project's own tiled kernels.
  case tiles
}

/// Whether the threads divide a matmul's result by rows or by columns.
public enum ProductSplit: String, Sendable, CaseIterable {
  case rows, columns
}

/// A backend and a split that compute a matmul. Results differ in their last bits between backends,
/// not between splits of tiles.
public struct ProductVariant: Hashable, Sendable, LosslessStringConvertible {
  public var backend: ProductBackend
  public var split: ProductSplit

  public init(_ backend: ProductBackend, _ split: ProductSplit) {
    self.backend = backend
    self.split = split
  }

  public init?(_ description: String) {
    let words = description.split(separator: " ").map(String.init)
    guard words.count == 3, let backend = ProductBackend(rawValue: words[0]), words[1] == "by",
      let split = ProductSplit(rawValue: words[2])
    else { return nil }
    self.init(backend, split)
  }

  public var description: String { "\(backend.rawValue) by \(split.rawValue)" }
}
