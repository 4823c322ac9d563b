import Graphs
import Programs
import Tensors

// The three products of a linear map as kernel calls; shared by every operation that multiplies by
// weights (`Linear`, `HeadLoss`). Letters as in sft_kernels.def: m tokens, n outputs, k inputs.

/// Rows that a product reads: f32, bf16, or bf16 with their quantised form beside it.
struct Source {
  var view: BufferView
  /// Elements from row to row.
  var stride: Int
  var type: ElementType
  /// The same rows as bytes, for products with int8 weights.
  var quantised: QuantisedRows?

  func advanced(by columns: Int) -> Source {
    Source(view: view.advanced(by: columns, of: type), stride: stride, type: type)
  }
}

/// Rows that a product writes, f32 or bf16.
struct Target {
  var view: BufferView
  /// Elements from row to row.
  var stride: Int
  var type = ElementType.f32

  func advanced(by columns: Int) -> Target {
    Target(view: view.advanced(by: columns, of: type), stride: stride, type: type)
  }
}

/// Rows of a matrix as bytes with a scale for each row.
struct QuantisedRows {
  var bytes: BufferView
  var scales: BufferView

  /// Bytes that both take for a matrix of that shape.
  static func byteCounts(_ shape: Shape) -> [Int] { [shape.count, 4 * shape[0]] }
}

extension Lowering {
  /// Rows of the first operand as a product's source, quantised first if asked for; the node's
  /// first temporaries are theirs.
  ///
  /// - Parameter factors: what scales columns before they are quantised; nil: nothing.
  mutating func input(
    _ view: BufferView, rows: Int, quantises: Bool, factors: BufferView? = nil
  ) -> Source {
    let type = operandTypes[0]
    let width = type.shape[1]
    var source = Source(view: view, stride: width, type: type.elementType)
    guard quantises else { return source }
    let quantised = QuantisedRows(bytes: temporaries[0], scales: temporaries[1])
    emit(
      "quantise_rows", [view, quantised.bytes, quantised.scales, factors], sizes: [width, width],
      items: rows)
    source.quantised = quantised
    return source
  }

  /// y[m,n] = scale · x[m,k]·Wᵀ (+= y), W the operand of that index.
  mutating func emitLinear(
    x: Source, weight: Int, y: Target, m: Int, accumulate: Bool, scale: Float
  ) {
    let type = operandTypes[weight]
    let (n, k) = (type.shape[0], type.shape[1])
    let byColumns = n >= 8 * Grain.columns || n >= m
    let isQuantised = x.quantised != nil && scales[weight] != nil
    let call = ProductCall(
      kernel: isQuantised
        ? "quantised_linear_\(type.elementType)" : x.kernel("linear_\(type.elementType)"),
      summed: k, columns: n, x: x, y: y.type, panelRows: Self.widenedRows(of: type), width: k)
    let first = isQuantised ? x.quantised?.bytes : x.view
    emit(
      call.kernel,
      [first, operands[weight], scales[weight], y.view]
        + (isQuantised ? [x.quantised?.scales] : []),
      sizes: [
        m, n, k, x.stride, k, y.stride, accumulate ? 1 : 0, byColumns ? 1 : 0, call.lastSize,
      ],
      scalars: [scale], items: byColumns ? n : m, grain: Grain.columns,
      slices: x.slices(byColumns), scratchBytes: call.scratchBytes, flops: 2 * m * n * k)
  }

  /// dx[m,k] = scale · dy[m,n]·W (+= dx).
  mutating func emitLinearInputGradient(
    dy: Source, weight: Int, dx: Target, m: Int, accumulate: Bool, scale: Float
  ) {
    let type = operandTypes[weight]
    let (n, k) = (type.shape[0], type.shape[1])
    let byColumns = k >= 8 * Grain.columns || k >= m
    let isQuantised = dy.quantised != nil && scales[weight] != nil
    let call = ProductCall(
      kernel: isQuantised
        ? "quantised_linear_input_gradient_\(type.elementType)"
        : dy.kernel("linear_input_gradient_\(type.elementType)"), summed: n, columns: k, x: dy,
      y: dx.type, panelRows: Self.widenedRows(of: type), width: k)
    emit(
      call.kernel,
      [isQuantised ? dy.quantised?.bytes : dy.view, operands[weight], scales[weight], dx.view]
        + (isQuantised ? [dy.quantised?.scales] : []),
      sizes: [
        m, n, k, dy.stride, k, dx.stride, accumulate ? 1 : 0, byColumns ? 1 : 0, call.lastSize,
      ],
      scalars: [scale], items: byColumns ? k : m, grain: Grain.columns,
      slices: dy.slices(byColumns), scratchBytes: call.scratchBytes, flops: 2 * m * n * k)
  }

  /// dW[n,k] = scale · dy[m,n]ᵀ·x[m,k] (+= dW), in f32.
  mutating func emitLinearWeightGradient(
    dy: Source, x: Source, dw: BufferView, m: Int, n: Int, k: Int, accumulate: Bool, scale: Float
  ) {
    let byColumns = k > n
    let call = ProductCall(
      kernel: dy.kernel("linear_weight_gradient"), summed: m, columns: k, x: dy, y: .f32,
      panelRows: 0, width: k)
    emit(
      call.kernel, [dy.view, x.view, dw],
      sizes: [m, n, k, dy.stride, x.stride, k, accumulate ? 1 : 0, byColumns ? 1 : 0]
        + (dy.type == .bf16 ? [call.lastSize] : []),
      scalars: [scale], items: byColumns ? k : n, grain: Grain.columns,
      scratchBytes: call.scratchBytes, flops: 2 * m * n * k)
  }

  /// Rows of a narrow weight that are widened to f32 at a time: a panel of at most 1 MiB, so that it
  /// stays in the core's own cache while the product reads it.
  private static func widenedRows(of type: TensorType) -> Int {
    guard type.elementType != .f32 else { return 0 }
    return min(type.shape[0], max(16, (1 << 18) / max(1, type.shape[1])))
  }
}

extension Source {
  /// A product's kernel for rows of this type.
  fileprivate func kernel(_ name: String) -> String { type == .bf16 ? "narrow_\(name)" : name }

  /// Ranges for each thread of a product with these rows.
  fileprivate func slices(_ byColumns: Bool) -> Int {
    type == .bf16 ? KernelCall.slicesOfTiles(byColumns ? .columns : .rows) : 1
  }
}

/// What depends on whether a product is one of f32 or of bf16 operands.
private struct ProductCall {
  /// Words of a sum that tiles take at a time, where results can be added to.
  private static let sumWords = 2048

  var kernel: String
  /// Rows of W widened at a time, or whether the result is bf16.
  var lastSize: Int
  var scratchBytes: Int

  /// - Parameters:
  ///   - summed: length of the sums.
  ///   - columns: of the result.
  init(
    kernel: String, summed: Int, columns: Int, x: Source, y: ElementType, panelRows: Int, width: Int
  ) {
    self.kernel = kernel
    guard x.type == .bf16 else {
      lastSize = panelRows
      // Own tiles may compute it as well as the library.
      let tiles = Self.tileScratch(words: min(summed, Self.sumWords), columns: columns)
      scratchBytes = max(4 * panelRows * width, tiles)
      return
    }
    lastSize = y == .bf16 ? 1 : 0
    // Sums of bytes are not cut: they are exact, and a word of them takes half the room.
    let isWhole = y == .bf16 || kernel.hasPrefix("quantised")
    let length = isWhole ? summed : min(summed, 2 * Self.sumWords)
    scratchBytes = Self.tileScratch(words: (length + 1) / 2, columns: columns)
  }

  /// Bytes for panels of packed words and for copied rows; sft_kernels.def has what kernels need.
  private static func tileScratch(words: Int, columns: Int) -> Int {
    let padded = (max(1, words) + 31) & ~31
    return max(128 * padded, min(393_216, 4 * padded * ((columns + 31) & ~31))) + 256 * padded
  }
}
