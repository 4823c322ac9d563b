import Graphs
import Programs
import Tensors

// The three products of a linear map as kernel calls; shared by every operation that multiplies by
// weights (`Linear`, `HeadLoss`). Letters as in sft_kernels.def: m tokens, n outputs, k inputs.

extension Lowering {
  /// y[m,n] = scale · x[m,k]·Wᵀ (+= y), W the operand of that index.
  mutating func emitLinear(
    x: BufferView, weight: Int, y: BufferView, m: Int, ldy: Int, accumulate: Bool, scale: Float
  ) {
    let shape = operandTypes[weight].shape
    let (n, k) = (shape[0], shape[1])
    let panel = Self.widenedRows(of: operandTypes[weight])
    let byColumns = n >= 8 * Grain.columns || n >= m
    emit(
      "linear_\(operandTypes[weight].elementType)", [x, operands[weight], scales[weight], y],
      sizes: [m, n, k, k, k, ldy, accumulate ? 1 : 0, byColumns ? 1 : 0, panel],
      scalars: [scale], items: byColumns ? n : m, grain: Grain.columns,
      scratchBytes: 4 * panel * k, flops: 2 * m * n * k)
  }

  /// dx[m,k] = scale · dy[m,n]·W (+= dx).
  mutating func emitLinearInputGradient(
    dy: BufferView, weight: Int, dx: BufferView, m: Int, lddy: Int, accumulate: Bool, scale: Float
  ) {
    let shape = operandTypes[weight].shape
    let (n, k) = (shape[0], shape[1])
    let panel = Self.widenedRows(of: operandTypes[weight])
    let byColumns = k >= 8 * Grain.columns || k >= m
    emit(
      "linear_input_gradient_\(operandTypes[weight].elementType)",
      [dy, operands[weight], scales[weight], dx],
      sizes: [m, n, k, lddy, k, k, accumulate ? 1 : 0, byColumns ? 1 : 0, panel],
      scalars: [scale], items: byColumns ? k : m, grain: Grain.columns,
      scratchBytes: 4 * panel * k, flops: 2 * m * n * k)
  }

  /// dW[n,k] = scale · dy[m,n]ᵀ·x[m,k] (+= dW).
  mutating func emitLinearWeightGradient(
    dy: BufferView, x: BufferView, dw: BufferView, m: Int, n: Int, k: Int, lddy: Int,
    accumulate: Bool, scale: Float
  ) {
    let byColumns = k > n
    emit(
      "linear_weight_gradient", [dy, x, dw],
      sizes: [m, n, k, lddy, k, k, accumulate ? 1 : 0, byColumns ? 1 : 0], scalars: [scale],
      items: byColumns ? k : n, grain: Grain.columns, flops: 2 * m * n * k)
  }

  /// Rows of a narrow weight that are widened to f32 at a time: a panel of at most 1 MiB, so that it
  /// stays in the core's own cache while the product reads it.
  private static func widenedRows(of type: TensorType) -> Int {
    guard type.elementType != .f32 else { return 0 }
    return min(type.shape[0], max(16, (1 << 18) / max(1, type.shape[1])))
  }
}
