import Tensors

// The one place that knows how matmuls are encoded as kernel calls: names, the order of sizes and
// buffers, and scratch. `sft_kernels.def` documents the same from the kernels' side.

/// One of the matmul kernels.
public struct ProductKernel: Hashable, Sendable {
  public var kind: ProductKind
  public var operands: MatmulOperand
  /// How the weight is stored; nil for kernels that compute the weight's gradient.
  public var weightType: ElementType?
  public var backend: ProductBackend

  public init(
    _ kind: ProductKind, operands: MatmulOperand, weightType: ElementType?, backend: ProductBackend
  ) {
    self.kind = kind
    self.operands = operands
    self.weightType = weightType
    self.backend = backend
  }

  /// The matmul kernel of that name; nil if there is none.
  public init?(named name: String) {
    guard let kernel = Self.byName[name] else { return nil }
    self = kernel
  }

  /// Its name in `sft_kernels.def`.
  public var name: String {
    let family =
      switch (operands, backend) {
      case (.f32, .openBLAS): "linear"
      case (.f32, .tiles): "tiled_linear"
      case (.bf16, _): "bf16_linear"
      case (.int8, _): "quantised_linear"
      }
    let matmul =
      switch kind {
      case .forward: family
      case .inputGradient: family + "_input_gradient"
      case .weightGradient: family + "_weight_gradient"
      }
    return weightType.map { "\(matmul)_\($0)" } ?? matmul
  }

  /// Every matmul kernel. Weight gradients never multiply int8.
  public static let all: [ProductKernel] = {
    var all: [ProductKernel] = []
    for operands in MatmulOperand.allCases {
      let backends: [ProductBackend] = operands == .f32 ? ProductBackend.allCases : [.tiles]
      for backend in backends {
        for type in [ElementType.f32, .bf16, .int8] {
          for kind in [ProductKind.forward, .inputGradient] {
            all.append(
              ProductKernel(kind, operands: operands, weightType: type, backend: backend))
          }
        }
        if operands != .int8 {
          all.append(
            ProductKernel(.weightGradient, operands: operands, weightType: nil, backend: backend))
        }
      }
    }
    return all
  }()

  private static let byName = Dictionary(
    uniqueKeysWithValues: all.map { ($0.name, $0) })
}

extension Product {
  /// The name of its usual backend's kernel, which identifies the matmul in files and tables.
  public var kernel: String { kernel(usualBackend).name }

  func kernel(_ backend: ProductBackend) -> ProductKernel {
    ProductKernel(kind, operands: operands, weightType: weightType, backend: backend)
  }

  /// The matmul of a usual backend's kernel; nil for any other kernel.
  public init?(kernel name: String, m: Int, n: Int, k: Int) {
    guard let kernel = ProductKernel(named: name) else { return nil }
    self.init(
      kernel.kind, operands: kernel.operands, weightType: kernel.weightType, m: m, n: n, k: k)
    guard kernel.backend == usualBackend else { return nil }
  }
}

extension Product: Comparable {
  public static func < (a: Product, b: Product) -> Bool {
    (a.kernel, a.m, a.n, a.k) < (b.kernel, b.m, b.n, b.k)
  }
}

extension MatrixProduct {
  /// The kernel call's name, sizes and scalars.
  public var encoded: NamedKernel {
    var sizes = [
      product.m, product.n, product.k, strides.left, strides.right, strides.result,
      accumulates ? 1 : 0, variant.split == .columns ? 1 : 0,
    ]
    switch lastSize {
    case .none: break
    case .panelRows: sizes.append(panelRows)
    case .resultType: sizes.append(resultType == .bf16 ? 1 : 0)
    }
    return NamedKernel(
      product.kernel(variant.backend).name, sizes: sizes, scalars: [alpha],
      multiplies: product.operands)
  }

  /// The meaning of the size that follows the split.
  private enum LastSize { case none, panelRows, resultType }

  private var lastSize: LastSize {
    guard product.operands == .f32 else { return .resultType }
    return product.kind == .weightGradient ? .none : .panelRows
  }

  /// The matmul that a kernel call computes; nil if the kernel is not a matmul.
  public init?(_ encoded: NamedKernel) {
    guard let kernel = ProductKernel(named: encoded.name), encoded.sizes.count >= 8,
      encoded.scalars.count == 1
    else { return nil }
    let sizes = encoded.sizes
    self.init(
      Product(
        kernel.kind, operands: kernel.operands, weightType: kernel.weightType, m: sizes[0],
        n: sizes[1], k: sizes[2]),
      strides: Strides(left: sizes[3], right: sizes[4], result: sizes[5]),
      accumulates: sizes[6] == 1, split: sizes[7] == 1 ? .columns : .rows, backend: kernel.backend,
      alpha: encoded.scalars[0])
    switch lastSize {
    case .none: break
    case .panelRows: panelRows = sizes.last ?? 0
    case .resultType: resultType = sizes.last == 1 ? .bf16 : .f32
    }
    guard self.encoded == encoded else { return nil }
  }

  /// The call's buffers in the kernels' order.
  ///
  /// - Parameters:
  ///   - left: x, or dy.
  ///   - right: W, or x of the weight's gradient.
  ///   - rightScales: the row scales of W, if it has any.
  ///   - leftScales: the row scales of the first operand, for int8 matmuls.
  public func buffers<Operand>(
    left: Operand?, right: Operand?, rightScales: Operand? = nil, result: Operand?,
    leftScales: Operand? = nil
  ) -> [Operand?] {
    if product.kind == .weightGradient { return [left, right, result] }
    let floats = [left, right, rightScales, result]
    return product.operands == .int8 ? floats + [leftScales] : floats
  }
}

extension MatrixProduct {
  /// Work items: the columns or rows of the result, which are divided among the threads.
  public var items: Int {
    variant.split == .columns ? product.result.columns : product.result.rows
  }

  /// Ranges per thread. Tiles pack the right operand panel by panel: splitting columns into more
  /// and smaller ranges costs nothing, but every range of rows packs the whole operand.
  public var slices: Int {
    guard variant.backend == .tiles, product.kind != .weightGradient else { return 1 }
    return variant.split == .columns ? 3 : 1
  }

  /// Work items per whole vector register: ranges start at multiples of this.
  static let grain = 16

  /// Private scratch that each thread needs, in bytes, enough for every variant: a panel of widened
  /// weights for the library, packed words for tiles.
  public var scratchBytes: Int {
    switch product.operands {
    case .f32:
      return max(4 * panelRows * product.k, tileScratch(words: min(product.summed, Self.sumWords)))
    case .bf16 where resultType == .f32:
      return tileScratch(words: (min(product.summed, 2 * Self.sumWords) + 1) / 2)
    case .bf16, .int8:
      // A sum whose result is rounded is never split; an int8 sum is exact, and a word of it takes
      // half the room.
      return tileScratch(words: (product.summed + 1) / 2)
    }
  }

  /// Words of a sum that tiles process at a time, where partial results can be added up.
  private static let sumWords = 2048

  /// Bytes for panels of packed words and for copied rows, at least what `sft_kernels.def` asks for.
  private func tileScratch(words: Int) -> Int {
    let padded = (max(1, words) + 31) & ~31
    let columns = (product.result.columns + 31) & ~31
    return max(128 * padded, min(393_216, 4 * padded * columns)) + 256 * padded
  }
}
