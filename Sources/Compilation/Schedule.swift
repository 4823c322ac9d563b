import Graphs
import Operations
import Programs

extension Graph {
  /// Moves every update in the step's body, and every accumulation of a micro-batch's gradient, to
  /// the earliest legal position: after its gradient is complete and after the last node that reads
  /// what it overwrites. From there on the gradient's memory is free. All other nodes keep their
  /// order.
  package mutating func scheduleUpdates() {
    let moving = nodes.indices.filter { position in
      let node = nodes[position]
      guard node.part == .body else { return false }
      return node.phase == .update || node.operation is AccumulateGradient
    }
    let place = earliestPlaces(of: moving)
    var followers = [Int: [Int]]()
    for position in moving { followers[place[position] ?? -1, default: []].append(position) }
    let isMoving = Set(moving)
    var order = followers[-1] ?? []
    for position in nodes.indices where !isMoving.contains(position) {
      order.append(position)
      order += followers[position] ?? []
    }
    // Updates that depend on sources only must still come after what precedes the body.
    let sorted = order.enumerated().sorted { left, right in
      let (a, b) = (partRank(nodes[left.element]), partRank(nodes[right.element]))
      return a == b ? left.offset < right.offset : a < b
    }
    nodes = sorted.map { nodes[$0.element] }
  }

  /// For each moving node, the unmoved node that it can follow at the earliest, as positions; -1
  /// for none. Nodes that follow the same one keep their original order.
  private func earliestPlaces(of moving: [Int]) -> [Int: Int] {
    let isMoving = Set(moving)
    let producers = producers()
    let readers = readers()
    var place = [Int: Int]()
    var lastWriter = [ValueID: Int]()
    // Norms of gradients share a table, a slot each: their order among themselves is free.
    let isNorm = nodes.map { $0.operation is SquaredNorm }
    var otherReaders = [ValueID: [Int]]()
    for position in moving {
      let node = nodes[position]
      var earliest = -1
      func after(_ other: Int) {
        if isNorm[position], isNorm[other] { return }
        earliest = max(earliest, isMoving.contains(other) ? place[other] ?? -1 : other)
      }
      for operand in node.operands {
        if let producer = producers[operand.index] { after(producer) }
        if let writer = lastWriter[operand] { after(writer) }
      }
      for index in node.mutates {
        let value = node.operands[index]
        var others = readers[value.index]
        if isNorm[position] {
          others = otherReaders[value] ?? others.filter { !isNorm[$0] }
          otherReaders[value] = others
        }
        for reader in others where reader < position { after(reader) }
        lastWriter[value] = position
      }
      place[position] = earliest
    }
    return place
  }

  private func partRank(_ node: Node) -> Int { StepPart.allCases.firstIndex(of: node.part) ?? 0 }
}
