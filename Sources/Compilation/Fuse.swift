import Graphs
import Operations
import Programs

extension Graph {
  /// Merges nodes that one kernel can compute: an operation with its gradient (the head's loss),
  /// and a sum with the matmul that produces one of its terms.
  package mutating func fuse() {
    fuseGradients()
    fuseSums()
  }

  /// The head's loss and its gradient share the logits: one node in place of the forward one.
  private mutating func fuseGradients() {
    for position in nodes.indices {
      guard let forward = nodes[position].operation as? any MergingOperation,
        let other = nodes.indices.first(where: { candidate in
          forward.merged(with: nodes[candidate].operation) != nil
            && nodes[candidate].operands.starts(with: nodes[position].operands)
        }),
        let merged = forward.merged(with: nodes[other].operation)
      else { continue }
      var node = makeNode(
        merged, nodes[other].operands, phase: .backward, part: nodes[position].part)
      let replaced = nodes[position].results + nodes[other].results
      let fresh = node.results
      node.phase = .forward
      nodes[position] = node
      nodes.remove(at: other)
      replaceUses(Dictionary(uniqueKeysWithValues: zip(replaced, fresh)))
      return
    }
  }

  /// `a + matmul(…)` becomes one matmul that adds to a, at the matmul's position: earlier than the
  /// sum, so no value has to live longer.
  private mutating func fuseSums() {
    var producers = producers()
    var reads = [Int](repeating: 0, count: values.count)
    for id in nodes.flatMap(\.operands) + outputs.map(\.value) { reads[id.index] += 1 }
    var isRemoved = [Bool](repeating: false, count: nodes.count)
    for position in nodes.indices {
      guard let fusion = fusion(of: nodes[position], producers: producers, reads: reads)
      else { continue }
      let (sum, product) = (nodes[position], nodes[fusion.producer])
      let operands = product.operands + [fusion.initial]
      var node = makeNode(
        fusion.operation, operands, phase: product.phase, part: product.part,
        mutates: fusion.addsInPlace ? [operands.count - 1] : [])
      if let result = sum.results.first {
        // The matmul takes over the sum's result, so its readers need no change.
        self[result].source = .node(node.id, result: 0)
        node.results = [result]
        producers[result.index] = fusion.producer
      }
      nodes[fusion.producer] = node
      isRemoved[position] = true
    }
    nodes = nodes.indices.filter { !isRemoved[$0] }.map { nodes[$0] }
  }

  /// The matmul that a sum can be fused into: nothing else reads its result, and the value it adds
  /// to is computed before it.
  private func fusion(
    of sum: Node, producers: [Int?], reads: [Int]
  ) -> (initial: ValueID, producer: Int, operation: any Operation, addsInPlace: Bool)? {
    guard let operation = sum.operation as? any SumOperation else { return nil }
    for choice in operation.terms {
      let (initial, term) = (sum.operands[choice.initial], sum.operands[choice.term])
      guard initial != term, reads[term.index] == 1, let producer = producers[term.index],
        nodes[producer].part == sum.part, producers[initial.index] ?? -1 < producer,
        let product = nodes[producer].operation as? any AccumulatingOperation,
        let accumulating = product.accumulating()
      else { continue }
      return (initial, producer, accumulating, operation.addsInPlace)
    }
    return nil
  }

  /// Makes every reader of a replaced value (key) read its replacement instead.
  private mutating func replaceUses(_ replacements: [ValueID: ValueID]) {
    for position in nodes.indices {
      nodes[position].operands = nodes[position].operands.map { replacements[$0] ?? $0 }
    }
    outputs = outputs.map { ($0.name, replacements[$0.value] ?? $0.value) }
  }
}
