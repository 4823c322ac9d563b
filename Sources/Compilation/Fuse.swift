import Graphs
import Operations
import Programs

extension Graph {
  /// Merges nodes that one kernel can compute: the head's loss with its gradient, and a sum with
  /// the matmul that produces one of its terms.
  package mutating func fuse() {
    fuseHeadLoss()
    fuseSums()
  }

  /// The loss and its gradient share the logits: one node in place of the forward one.
  private mutating func fuseHeadLoss() {
    for position in nodes.indices {
      guard let forward = nodes[position].operation as? HeadLoss,
        let other = nodes.indices.first(where: { candidate in
          guard let gradient = nodes[candidate].operation as? HeadLoss else { return false }
          return forward.merged(with: gradient) != nil
            && nodes[candidate].operands.starts(with: nodes[position].operands)
        }),
        let gradient = nodes[other].operation as? HeadLoss,
        let merged = forward.merged(with: gradient)
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
        mutates: sum.operation is AccumulateGradient ? [operands.count - 1] : [])
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
  ) -> (initial: ValueID, producer: Int, operation: any Operation)? {
    let choices: [(initial: Int, term: Int)]
    switch sum.operation {
    case is Add: choices = [(0, 1), (1, 0)]
    case is AccumulateGradient: choices = [(0, 1)]
    default: return nil
    }
    for choice in choices {
      let (initial, term) = (sum.operands[choice.initial], sum.operands[choice.term])
      guard initial != term, reads[term.index] == 1, let producer = producers[term.index],
        nodes[producer].part == sum.part, producers[initial.index] ?? -1 < producer,
        let product = nodes[producer].operation as? any AccumulatingOperation,
        let operation = product.accumulating()
      else { continue }
      return (initial, producer, operation)
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
