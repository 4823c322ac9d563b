import Graphs
import Programs
import Tensors

// The three matmuls of a linear map as kernel calls, shared by every operation that multiplies by
// weights (`Linear`, `HeadLoss`). Letters as in sft_kernels.def: m tokens, n outputs, k inputs.

/// Rows that a matmul reads: f32, bf16, or either with its int8 form beside it.
struct Source {
  var view: BufferView
  /// Elements from row to row.
  var stride: Int
  var type: ElementType
  /// The same rows quantised to int8, for matmuls with int8 weights.
  var quantised: QuantisedRows?

  func advanced(by columns: Int) -> Source {
    Source(view: view.advanced(by: columns, of: type), stride: stride, type: type)
  }
}

/// Rows that a matmul writes, f32 or bf16.
struct Target {
  var view: BufferView
  /// Elements from row to row.
  var stride: Int
  var type = ElementType.f32

  func advanced(by columns: Int) -> Target {
    Target(view: view.advanced(by: columns, of: type), stride: stride, type: type)
  }
}

/// Rows of a matrix quantised to int8, with a scale for each row.
struct QuantisedRows {
  var bytes: BufferView
  var scales: BufferView

  /// Sizes in bytes of `bytes` and `scales` for a matrix of a shape.
  static func byteCounts(_ shape: Shape) -> [Int] { [shape.count, 4 * shape[0]] }
}

extension Lowering {
  /// The first operand's rows as a matmul's source. If they are quantised, the node's first two
  /// temporaries hold the int8 rows and their scales.
  ///
  /// - Parameter factors: scales for the columns before quantising; nil for none.
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

  /// y[m,n] = scale · x[m,k]·Wᵀ (+= y), W being operand number `weight`.
  mutating func emitLinear(
    x: Source, weight: Int, y: Target, m: Int, accumulate: Bool, scale: Float
  ) {
    emitProduct(
      .forward, left: x, weight: weight, result: y, m: m, accumulate: accumulate, scale: scale)
  }

  /// dx[m,k] = scale · dy[m,n]·W (+= dx).
  mutating func emitLinearInputGradient(
    dy: Source, weight: Int, dx: Target, m: Int, accumulate: Bool, scale: Float
  ) {
    emitProduct(
      .inputGradient, left: dy, weight: weight, result: dx, m: m, accumulate: accumulate,
      scale: scale)
  }

  /// A matmul of rows with the operand that holds the weight.
  private mutating func emitProduct(
    _ kind: ProductKind, left: Source, weight: Int, result: Target, m: Int, accumulate: Bool,
    scale: Float
  ) {
    let type = operandTypes[weight]
    let (n, k) = (type.shape[0], type.shape[1])
    let quantised = scales[weight] == nil ? nil : left.quantised
    let operands = quantised == nil ? left.operands : .int8
    let product = Product(
      kind, operands: operands, weightType: type.elementType, m: m, n: n, k: k)
    let columns = product.result.columns
    let call = MatrixProduct(
      product, strides: .init(left: left.stride, right: k, result: result.stride),
      accumulates: accumulate, resultType: result.type,
      split: columns >= 8 * Grain.columns || columns >= m ? .columns : .rows,
      panelRows: operands == .f32 ? Self.widenedRows(of: type) : 0, alpha: scale)
    emit(
      call,
      call.buffers(
        left: quantised?.bytes ?? left.view, right: self.operands[weight],
        rightScales: scales[weight], result: result.view, leftScales: quantised?.scales))
  }

  /// dW[n,k] = scale · dy[m,n]ᵀ·x[m,k] (+= dW), in f32.
  mutating func emitLinearWeightGradient(
    dy: Source, x: Source, dw: BufferView, m: Int, n: Int, k: Int, accumulate: Bool, scale: Float
  ) {
    let call = MatrixProduct(
      Product(.weightGradient, operands: dy.operands, m: m, n: n, k: k),
      strides: .init(left: dy.stride, right: x.stride, result: k), accumulates: accumulate,
      split: k > n ? .columns : .rows, alpha: scale)
    emit(call, call.buffers(left: dy.view, right: x.view, result: dw))
  }

  /// Rows of a bf16 or int8 weight that are widened to f32 at a time: a panel of at most 1 MiB, so
  /// that it stays in the core's own cache while the matmul reads it.
  private static func widenedRows(of type: TensorType) -> Int {
    guard type.elementType != .f32 else { return 0 }
    return min(type.shape[0], max(16, (1 << 18) / max(1, type.shape[1])))
  }
}

extension Source {
  /// The operand type of matmuls that read these rows unquantised.
  fileprivate var operands: MatmulOperand { type == .bf16 ? .bf16 : .f32 }
}
