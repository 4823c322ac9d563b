import Graphs
import Programs
import Tensors

// Letters: V vocabulary, all parts together; R selected rows; D width; m tokens of a chunk.

extension HeadLoss: LowerableOperation {
  /// The column counts V and R.
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
    return min(operands[0].shape[0], max(leastTokens, rows))
  }

  /// Temporaries of a chunk: the logits [m, V]; the losses [m] if they are not a result; the
  /// selected rows' logits, later their gradients, [m, R].
  public func temporaries(_ operands: [TensorType]) -> [Int] {
    let columns = columns(operands)
    let rows = chunkRows(operands)
    let width = operands[0].shape[1]
    return (quantises ? QuantisedRows.byteCounts([rows, width]) : [])
      + [4 * columns.vocabulary * rows] + (wantsLoss ? [] : [4 * rows])
      + (hasSelectedRows ? [4 * columns.selected * rows] : [])
  }

  public func lower(into lowering: inout Lowering) {
    let rows = lowering.operandTypes[0].shape[0]
    let chunk = chunkRows(lowering.operandTypes)
    for first in stride(from: 0, to: rows, by: chunk) {
      let place = Chunk(self, rows: first..<min(rows, first + chunk), &lowering)
      lowerLoss(of: place, into: &lowering)
      lowerGradients(of: place, into: &lowering)
    }
  }

  /// Where a chunk's operands and results are.
  private struct Chunk {
    let rows: Range<Int>
    let x: Source
    let logits: BufferView
    /// The logits' gradient, which overwrites the logits.
    let logitsGradient: Source
    let vocabulary: Int
    let selected: Int
    /// The selected rows' logits, later their gradient, as contiguous columns.
    let block: Source?
    let loss: BufferView?
    /// The first column of each part's logits.
    let partColumns: [Int]
    let inputGradient: BufferView?
    let weightGradients: ArraySlice<BufferView>

    init(_ operation: HeadLoss, rows: Range<Int>, _ lowering: inout Lowering) {
      let types = lowering.operandTypes
      let (width, type) = (types[0].shape[1], types[0].elementType)
      let temporaries = lowering.temporaries.dropFirst(operation.quantises ? 2 : 0)
      self.rows = rows
      x = lowering.input(
        lowering.operands[0].advanced(by: rows.lowerBound * width, of: type), rows: rows.count,
        quantises: operation.quantises)
      logits = temporaries[temporaries.startIndex]
      (vocabulary, selected) = operation.columns(types)
      // In bf16 a gradient row fills the first half of its row of logits.
      logitsGradient = Source(
        view: logits, stride: type == .bf16 ? 2 * vocabulary : vocabulary, type: type)
      let selected = selected
      block =
        operation.hasSelectedRows
        ? temporaries.last.map { Source(view: $0, stride: selected, type: type) } : nil
      var next = 0
      partColumns = types[operation.partOperands].map { part in
        defer { next += part.shape[0] }
        return next
      }
      var results = lowering.results[...]
      loss =
        operation.wantsLoss
        ? results.popFirst()?.advanced(by: rows.lowerBound)
        : temporaries[temporaries.startIndex + 1]
      inputGradient =
        operation.wantsInput
        ? results.popFirst()?.advanced(by: rows.lowerBound * width) : nil
      weightGradients = results
    }

    /// A kernel's name, with bf16 gradients where the input is bf16.
    func named(_ kernel: String) -> String { x.type == .bf16 ? kernel + "_bf16" : kernel }
  }

  private func lowerLoss(of chunk: Chunk, into lowering: inout Lowering) {
    let logits = Target(view: chunk.logits, stride: chunk.vocabulary)
    for (part, column) in zip(partOperands, chunk.partColumns) {
      lowering.emitLinear(
        x: chunk.x, weight: part, y: logits.advanced(by: column), m: chunk.rows.count,
        accumulate: false, scale: 1)
    }
    if let selection, let block = chunk.block {
      lowering.emitLinear(
        x: chunk.x, weight: selection.rows, y: Target(view: block.view, stride: chunk.selected),
        m: chunk.rows.count, accumulate: false, scale: 1)
      lowering.emit(
        "scatter_columns", [lowering.operands[selection.ids], block.view, chunk.logits],
        sizes: [chunk.selected, chunk.selected, chunk.vocabulary], items: chunk.rows.count)
    }
    lowering.emit(
      chunk.named("softmax_cross_entropy"),
      [
        chunk.logits, lowering.operands[targets].advanced(byBytes: 4 * chunk.rows.lowerBound),
        chunk.loss, wantsGradient ? lowering.operands[lossScale] : nil,
      ],
      sizes: [chunk.vocabulary, wantsGradient ? 1 : 0], items: chunk.rows.count)
  }

  private func lowerGradients(of chunk: Chunk, into lowering: inout Lowering) {
    if wantsGradient, let selection, let block = chunk.block {
      lowering.emit(
        chunk.named("take_columns"), [lowering.operands[selection.ids], chunk.logits, block.view],
        sizes: [chunk.selected, chunk.logitsGradient.stride, chunk.selected],
        items: chunk.rows.count)
    }
    lowerInputGradient(of: chunk, into: &lowering)
    var weightGradients = chunk.weightGradients
    func emit(_ weight: Int, _ dy: Source) {
      guard let dw = weightGradients.popFirst() else { return }
      let shape = lowering.operandTypes[weight].shape
      lowering.emitLinearWeightGradient(
        dy: dy, x: chunk.x, dw: dw, m: chunk.rows.count, n: shape[0], k: shape[1],
        accumulate: chunk.rows.lowerBound > 0, scale: 1)
    }
    for (part, column) in zip(partOperands, chunk.partColumns) where wantsWeights[part - 1] {
      emit(part, chunk.logitsGradient.advanced(by: column))
    }
    if wantsSelectedRows, let selection, let block = chunk.block { emit(selection.rows, block) }
  }

  private func lowerInputGradient(of chunk: Chunk, into lowering: inout Lowering) {
    guard let view = chunk.inputGradient else { return }
    let dx = Target(view: view, stride: chunk.x.stride)
    for (part, column) in zip(partOperands, chunk.partColumns) {
      lowering.emitLinearInputGradient(
        dy: chunk.logitsGradient.advanced(by: column), weight: part, dx: dx, m: chunk.rows.count,
        accumulate: column > 0, scale: 1)
    }
    if let selection, let block = chunk.block {
      lowering.emitLinearInputGradient(
        dy: block, weight: selection.rows, dx: dx, m: chunk.rows.count, accumulate: true, scale: 1)
    }
  }
}
