import Adaptations
import Checkpoints
import Programs
import Tensors

extension Session {
  /// The trained tensors as updates of a delta, as the method's save plan maps them, in the order
  /// of the program's buffers.
  ///
  /// - Throws: `TrainingError.adaptation` for a trained parameter that the plan does not claim, which
  ///   would be a bug.
  public func deltaUpdates() throws(TrainingError) -> [DeltaUpdate] {
    var waiting: [String: SavePlan.Change] = [:]
    for change in step.savePlan.changes {
      for parameter in change.parameters { waiting[parameter] = change }
    }
    var memory: [String: TrainedTensor] = [:]
    var written = 0
    var updates: [DeltaUpdate] = []
    for tensor in trainedTensors {
      guard let change = waiting[tensor.name] else {
        throw .adaptation(.unclaimed(method: step.method, parameter: tensor.name))
      }
      memory[tensor.name] = tensor
      let parts = change.parameters.compactMap { memory[$0] }
      guard parts.count == change.parameters.count else { continue }
      updates += change.updates(from: parts)
      written += 1
    }
    guard written == step.savePlan.changes.count else {
      let missing = waiting.keys.filter { memory[$0] == nil }.min() ?? ""
      throw .adaptation(.unclaimed(method: step.method, parameter: missing))
    }
    return updates
  }
}

extension TrainedTensor {
  /// The elements as rows of a width, copied only while they are written: a plan has no room for all
  /// of them twice.
  fileprivate func source(width: Int) -> TensorSource {
    .rows { (range, target) throws(CheckpointError) in
      read(range.lowerBound * width..<range.upperBound * width, into: target)
    }
  }

  fileprivate func source(rows: Int) -> TensorSource { source(width: count / max(1, rows)) }
}

extension SavePlan.Change {
  /// The change as updates of a delta.
  ///
  /// - Parameter memory: buffers of `parameters`, in that order.
  fileprivate func updates(from memory: [TrainedTensor]) -> [DeltaUpdate] {
    switch content {
    case .rows(let runs, _): rowUpdates(runs, in: memory[0])
    case .lowRank(_, _, let rank, let scale):
      [
        DeltaUpdate(
          name: tensor,
          content: .lowRank(
            rank: rank, scale: scale, a: memory[0].source(rows: rank),
            b: memory[1].source(width: rank)))
      ]
    case .hiddenUnits(let count, _, _, _):
      [
        DeltaUpdate(
          name: tensor,
          content: .hiddenUnits(
            count: count, gate: memory[0].source(rows: count), up: memory[1].source(rows: count),
            down: memory[2].source(width: count)))
      ]
    case .tensor(let shape, _):
      [
        DeltaUpdate(
          name: tensor, content: .tensor(shape, memory[0].source(rows: shape.extents.first ?? 1)))
      ]
    }
  }

  /// One update for each run of rows; the runs lie one after another in memory. Rows in int8 are
  /// written as they are.
  private func rowUpdates(_ runs: [Range<Int>], in memory: TrainedTensor) -> [DeltaUpdate] {
    let width = memory.count / max(1, runs.reduce(0) { $0 + $1.count })
    var place = 0
    return runs.map { rows in
      let start = place
      place += rows.count
      let read: RowReader = { (range, target) throws(CheckpointError) in
        let first = (start + range.lowerBound - rows.lowerBound) * width
        memory.read(first..<first + range.count * width, into: target)
      }
      guard memory.scales != nil else {
        return DeltaUpdate(name: tensor, content: .rows(rows, read))
      }
      let integers = IntegerRows(read: read) { memory.integerRow(start + $0 - rows.lowerBound) }
      return DeltaUpdate(name: tensor, content: .integers(rows, integers))
    }
  }
}
