import Graphs
import Operations
import Programs
import Tensors

/// How a matrix is stored between the forward and the backward pass.
private struct RoundedStorage {
  /// From the matrix to what is stored of it.
  var rounding: any LowerableOperation
  /// From that back to the matrix.
  var restoring: any LowerableOperation
}

extension Graph {
  /// Stores matrices that the backward pass reads again, such as the residual stream between
  /// blocks, in bf16.
  package mutating func keepBF16() {
    keepRounded { graph, value, _ in
      graph.type(of: value).elementType == .f32
        ? RoundedStorage(rounding: ToBF16(), restoring: ToF32()) : nil
    }
  }

  /// Stores what gated activations read and the backward pass reads again, gate and up of an MLP, as
  /// int8 with a scale per row. The forward pass itself reads them as they are, and what methods compute
  /// beside the model's own maps stays as it is.
  package mutating func keepGatesAsBytes() {
    let parts = activationParts()
    keepRounded { graph, value, readers in
      let isGate = parts[value] == .mlp && readers.contains { $0.operation is GatedActivation }
      return isGate
        ? RoundedStorage(
          rounding: ToRowBytes(), restoring: FromRowBytes(graph.type(of: value).elementType)) : nil
    }
  }

  /// Stores matrices in another form from their last reader in the forward pass to the first one in
  /// the backward pass.
  ///
  /// - Parameter storage: the form of a value with these readers in the forward pass; nil leaves it as
  ///   it is.
  private mutating func keepRounded(_ storage: (Graph, ValueID, [Node]) -> RoundedStorage?) {
    let readers = readers()
    let producers = producers()
    var after: [Int: [Node]] = [:]
    var before: [Int: [Node]] = [:]
    for index in values.indices {
      let id = ValueID(index)
      guard let producer = producers[index], nodes[producer].phase == .forward,
        type(of: id).elementType != .int8, type(of: id).shape.rank == 2,
        !outputs.contains(where: { $0.value == id })
      else { continue }
      let forward = readers[index].filter { nodes[$0].phase == .forward }
      guard let last = forward.last,
        let first = readers[index].first(where: { nodes[$0].phase != .forward }), last < first,
        let storage = storage(self, id, forward.map { nodes[$0] })
      else { continue }
      let rounded = makeNode(storage.rounding, [id], phase: .forward, part: nodes[last].part)
      let restored = makeNode(
        storage.restoring, rounded.results, phase: .backward, part: nodes[first].part)
      for reader in readers[index] where reader >= first {
        nodes[reader].operands = nodes[reader].operands.map { $0 == id ? restored.results[0] : $0 }
      }
      after[last, default: []].append(rounded)
      before[first, default: []].append(restored)
    }
    nodes = nodes.indices.flatMap { (before[$0] ?? []) + [nodes[$0]] + (after[$0] ?? []) }
  }
}
