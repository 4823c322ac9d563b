import Graphs
import Programs
import Tensors

// Letters: V vocabulary, all parts together; R selected rows; D width; m tokens of a chunk.

extension HeadLoss: LowerableOperation {
  /// V and R.
  private func columns(_ operands: [TensorType]) -> (vocabulary: Int, selected: Int) {
    (
      operands[partOperands].reduce(0) { $0 + $1.shape[0] },
      selection.map { operands[$0.rows].shape[0] } ?? 0
    )
  }

  /// Tokens whose logits exist at a time, in multiples of 16.
  private func chunkRows(_ operands: [TensorType]) -> Int {
    let columns = columns(operands)
    let rows = logitsBytes / (4 * max(1, columns.vocabulary + columns.selected)) / 16 * 16
    return min(operands[0].shape[0], max(16, rows))
  }

  /// The logits [m, V] of a chunk, its losses [m] if they are not wanted, and the selected rows'
  /// logits or their gradients [m, R] in a block of their own.
  public func temporaries(_ operands: [TensorType]) -> [Int] {
    let columns = columns(operands)
    let rows = chunkRows(operands)
    return [4 * columns.vocabulary * rows] + (wantsLoss ? [] : [4 * rows])
      + (hasSelectedRows ? [4 * columns.selected * rows] : [])
  }

  public func lower(into lowering: inout Lowering) {
    let rows = lowering.operandTypes[0].shape[0]
    let chunk = chunkRows(lowering.operandTypes)
    for first in stride(from: 0, to: rows, by: chunk) {
      let place = Chunk(self, rows: first..<min(rows, first + chunk), lowering)
      lowerLoss(of: place, into: &lowering)
      lowerGradients(of: place, into: &lowering)
    }
  }

  /// Where a chunk's operands and results are.
  private struct Chunk {
    let rows: Range<Int>
    let x: BufferView
    let logits: BufferView
    let vocabulary: Int
    let selected: Int
    /// The selected rows' columns side by side.
    let block: BufferView?
    let loss: BufferView?
    /// The first column of each part's logits.
    let partColumns: [Int]
    let inputGradient: BufferView?
    let weightGradients: ArraySlice<BufferView>

    init(_ operation: HeadLoss, rows: Range<Int>, _ lowering: Lowering) {
      let types = lowering.operandTypes
      let width = types[0].shape[1]
      self.rows = rows
      x = lowering.operands[0].advanced(byFloats: rows.lowerBound * width)
      logits = lowering.temporaries[0]
      (vocabulary, selected) = operation.columns(types)
      block = operation.hasSelectedRows ? lowering.temporaries.last : nil
      var next = 0
      partColumns = types[operation.partOperands].map { part in
        defer { next += part.shape[0] }
        return next
      }
      var results = lowering.results[...]
      loss =
        operation.wantsLoss
        ? results.popFirst()?.advanced(byFloats: rows.lowerBound) : lowering.temporaries[1]
      inputGradient =
        operation.wantsInput
        ? results.popFirst()?.advanced(byFloats: rows.lowerBound * width) : nil
      weightGradients = results
    }
  }

  private func lowerLoss(of chunk: Chunk, into lowering: inout Lowering) {
    for (part, column) in zip(partOperands, chunk.partColumns) {
      lowering.emitLinear(
        x: chunk.x, weight: part, y: chunk.logits.advanced(byFloats: column), m: chunk.rows.count,
        ldy: chunk.vocabulary, accumulate: false, scale: 1)
    }
    if let selection, let block = chunk.block {
      lowering.emitLinear(
        x: chunk.x, weight: selection.rows, y: block, m: chunk.rows.count, ldy: chunk.selected,
        accumulate: false, scale: 1)
      lowering.emit(
        "scatter_columns", [lowering.operands[selection.ids], block, chunk.logits],
        sizes: [chunk.selected, chunk.selected, chunk.vocabulary], items: chunk.rows.count)
    }
    lowering.emit(
      "softmax_cross_entropy",
      [
        chunk.logits, lowering.operands[targets].advanced(byBytes: 4 * chunk.rows.lowerBound),
        chunk.loss, wantsGradient ? lowering.operands[lossScale] : nil,
      ],
      sizes: [chunk.vocabulary, wantsGradient ? 1 : 0], items: chunk.rows.count)
  }

  private func lowerGradients(of chunk: Chunk, into lowering: inout Lowering) {
    if wantsGradient, let selection, let block = chunk.block {
      lowering.emit(
        "take_columns", [lowering.operands[selection.ids], chunk.logits, block],
        sizes: [chunk.selected, chunk.vocabulary, chunk.selected], items: chunk.rows.count)
    }
    lowerInputGradient(of: chunk, into: &lowering)
    var weightGradients = chunk.weightGradients
    func emit(_ weight: Int, _ dy: BufferView, columns: Int) {
      guard let dw = weightGradients.popFirst() else { return }
      let shape = lowering.operandTypes[weight].shape
      lowering.emitLinearWeightGradient(
        dy: dy, x: chunk.x, dw: dw, m: chunk.rows.count, n: shape[0], k: shape[1], lddy: columns,
        accumulate: chunk.rows.lowerBound > 0, scale: 1)
    }
    for (part, column) in zip(partOperands, chunk.partColumns) where wantsWeights[part - 1] {
      emit(part, chunk.logits.advanced(byFloats: column), columns: chunk.vocabulary)
    }
    if wantsSelectedRows, let selection, let block = chunk.block {
      emit(selection.rows, block, columns: chunk.selected)
    }
  }

  private func lowerInputGradient(of chunk: Chunk, into lowering: inout Lowering) {
    guard let dx = chunk.inputGradient else { return }
    for (part, column) in zip(partOperands, chunk.partColumns) {
      lowering.emitLinearInputGradient(
        dy: chunk.logits.advanced(byFloats: column), weight: part, dx: dx, m: chunk.rows.count,
        lddy: chunk.vocabulary, accumulate: column > 0, scale: 1)
    }
    if let selection, let block = chunk.block {
      lowering.emitLinearInputGradient(
        dy: block, weight: selection.rows, dx: dx, m: chunk.rows.count, lddy: chunk.selected,
        accumulate: true, scale: 1)
    }
  }
}
