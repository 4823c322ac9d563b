/// A product with a matrix of weights, or one of its gradients: its type and its sizes, on which the
/// time that it takes depends most.
public struct Product: Hashable, Sendable {
  /// The kernel that computes it unless another way is chosen.
  public var kernel: String
  /// Tokens, outputs and inputs, as in `sft_kernels.def`.
  public var m: Int
  public var n: Int
  public var k: Int

  public init(kernel: String, m: Int, n: Int, k: Int) {
    self.kernel = kernel
    self.m = m
    self.n = n
    self.k = k
  }

  public var isWeightGradient: Bool { kernel.hasSuffix("weight_gradient") }

  /// Rows and columns of the result.
  var result: (rows: Int, columns: Int) {
    if isWeightGradient { return (n, k) }
    return kernel.contains("input_gradient") ? (m, k) : (m, n)
  }

  /// Whether a library can compute it: it multiplies floats by floats.
  public var isOfFloats: Bool { kernel.hasPrefix("linear_") }

  /// Whether it multiplies bytes.
  public var isOfBytes: Bool { kernel.hasPrefix("quantised_") }
}

extension Product: Comparable {
  public static func < (a: Product, b: Product) -> Bool {
    (a.kernel, a.m, a.n, a.k) < (b.kernel, b.m, b.n, b.k)
  }
}

/// Who computes a product.
public enum ProductBackend: String, Sendable, CaseIterable {
  case openBLAS = "OpenBLAS"
  /// The tiles of this project's own kernels.
  case tiles
}

/// What of a product's result the threads share out.
public enum ProductSplit: String, Sendable, CaseIterable {
  case rows, columns
}

/// A way to compute a product. Results differ in their last bits between back-ends, not between
/// splits of tiles.
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

extension KernelCall {
  /// Ranges for each thread where tiles compute. They pack the right operand panel by panel: by
  /// columns, more and smaller ranges cost nothing, but each range of rows packs all of it.
  public static func slicesOfTiles(_ split: ProductSplit) -> Int { split == .columns ? 3 : 1 }

  /// Products of so few rows (`SFT_FEW_ROWS`) have a path of their own.
  private static let fewRows = 4
  private static let tiled = "tiled_"

  /// The product that this call computes; nil if it is none.
  public var product: Product? {
    let name = kernel.hasPrefix(Self.tiled) ? String(kernel.dropFirst(Self.tiled.count)) : kernel
    let prefixes = ["linear_", "narrow_linear_", "quantised_linear_"]
    guard prefixes.contains(where: name.hasPrefix), sizes.count >= 8 else { return nil }
    return Product(kernel: name, m: sizes[0], n: sizes[1], k: sizes[2])
  }

  /// How the call computes its product; nil if it computes none.
  public var variant: ProductVariant? {
    product.map { product in
      ProductVariant(
        product.isOfFloats && !kernel.hasPrefix(Self.tiled) ? .openBLAS : .tiles,
        sizes[7] == 1 ? .columns : .rows)
    }
  }

  /// The ways to compute the call's product, its present one first; none if it computes none.
  public var variants: [ProductVariant] {
    guard let product, let variant else { return [] }
    guard product.m > Self.fewRows else { return [variant] }
    let backends = product.isOfFloats ? ProductBackend.allCases : [.tiles]
    let all = backends.flatMap { backend in
      ProductSplit.allCases.map { ProductVariant(backend, $0) }
    }
    return [variant] + all.filter { $0 != variant }
  }

  /// The same product in one of its `variants`.
  public func computed(_ variant: ProductVariant) -> KernelCall {
    guard let product else { return self }
    var call = self
    call.sizes[7] = variant.split == .columns ? 1 : 0
    call.items = variant.split == .columns ? product.result.columns : product.result.rows
    if product.isOfFloats {
      let isTiled = variant.backend == .tiles
      call.kernel = isTiled ? Self.tiled + product.kernel : product.kernel
      call.slices = 1
    }
    if variant.backend == .tiles, !product.isWeightGradient {
      call.slices = Self.slicesOfTiles(variant.split)
    }
    return call
  }
}
