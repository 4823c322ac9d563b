import Graphs
import Programs
import Tensors

/// The gradient of a large matrix and its update, one strip of rows at a time: a strip of the
/// gradient is used while it is in the cache, and the whole gradient is never stored.
///
///     for each strip s of rows:  dW_s = α · dy[:, s]ᵀ·x;  Σ dW_s²;  update W_s
///
/// Operands: dy [N, O], x [N, I], table of partial sums of squares, then the update's operands
/// except its gradient: parameter [Oₚ, I], states, hyper [8].
public struct StreamedUpdate: LowerableOperation {
  public var gradient: LinearWeightGradient
  public var update: any ElementwiseUpdate
  /// Rows of a strip, a multiple of 256.
  public var stripRows: Int
  /// Slots of the table, one for each strip.
  public var slots: [Int]

  /// Rows of a strip of at most `bytes` bytes of f32 (never below 256 rows); nil if one strip would
  /// cover the whole matrix.
  public static func stripRows(of shape: Shape, within bytes: Int) -> Int? {
    let rows = max(256, bytes / (4 * max(1, shape.columns)) / 256 * 256)
    return rows < shape[0] ? rows : nil
  }

  public init(
    gradient: LinearWeightGradient, update: any ElementwiseUpdate, stripRows: Int, slots: [Int]
  ) {
    self.gradient = gradient
    self.update = update
    self.stripRows = stripRows
    self.slots = slots
  }

  public var name: String { "streamed_\(update.name)" }
  public var attributes: [(String, String)] {
    gradient.attributes + [("strip", "\(stripRows)")]
  }
  public var mutatedOperands: [Int] {
    // The update's operands behind its gradient have indices larger by two here; a strip of the
    // gradient is no operand.
    [2] + update.mutatedOperands.filter { $0 != 1 }.map { $0 == 0 ? 3 : $0 + 2 }
  }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    let gradient = try gradient.resultTypes(Array(operands.prefix(2)))
    for slot in slots { _ = try SquaredNorm(slot: slot).resultTypes([gradient[0], operands[2]]) }
    return try update.resultTypes([operands[3]] + gradient + operands[4...])
  }

  public func flops(_ operands: [TensorType]) -> Int {
    gradient.flops(Array(operands.prefix(2))) + update.flops([operands[3]])
  }

  public func temporaries(_ operands: [TensorType]) -> [Int] {
    [4 * stripRows * operands[1].shape[1]]
  }

  public func lower(into lowering: inout Lowering) {
    let operands = lowering.operands
    let (dy, x) = (lowering.operandTypes[0], lowering.operandTypes[1])
    let (width, strip) = (x.shape[1], lowering.temporaries[0])
    let place = UpdatePlace(
      parameter: operands[3], parameterType: lowering.operandTypes[3].elementType,
      parameterScales: lowering.scales[3], columns: width, gradient: strip,
      states: Array(operands[4..<operands.count - 1]), hyper: operands[operands.count - 1])
    for (slot, first) in zip(slots, stride(from: 0, to: gradient.rows, by: stripRows)) {
      let rows = first..<min(first + stripRows, gradient.rows)
      let source = Source(view: operands[0], stride: dy.shape[1], type: dy.elementType)
      lowering.phase = .backward
      lowering.emitLinearWeightGradient(
        dy: source.advanced(by: gradient.firstColumn + first),
        x: Source(view: operands[1], stride: width, type: x.elementType), dw: strip,
        m: dy.shape[0], n: rows.count, k: width, accumulate: false, scale: gradient.scale)
      lowering.phase = .update
      SquaredNorm(slot: slot).lower(
        strip, count: rows.count * width, table: operands[2], into: &lowering)
      update.lower(rows.lowerBound * width..<rows.upperBound * width, of: place, into: &lowering)
    }
  }
}
