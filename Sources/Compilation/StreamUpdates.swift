import Graphs
import Operations
import Tensors

extension Graph {
  /// Merges each gradient larger than a strip, if only its norm and its update read it, with that
  /// update into one node that processes both strip by strip.
  ///
  /// - Parameter stripBytes: bytes of a gradient per strip.
  package mutating func streamUpdates(stripBytes: Int) {
    let (producers, readers) = (producers(), readers())
    var isRemoved = [Bool](repeating: false, count: nodes.count)
    for position in nodes.indices {
      let node = nodes[position]
      guard node.part == .body, let update = node.operation as? any ElementwiseUpdate,
        let producer = producers[node.operands[1].index],
        let gradient = nodes[producer].operation as? LinearWeightGradient, !gradient.accumulates,
        let rows = StreamedUpdate.stripRows(
          of: type(of: node.operands[1]).shape, within: stripBytes)
      else { continue }
      let others = readers[node.operands[1].index].filter { $0 != position }
      guard others.count == 1, let norm = nodes[others[0]].operation as? SquaredNorm else {
        continue
      }
      let table = nodes[others[0]].operands[1]
      let strips = (gradient.rows + rows - 1) / rows
      let operation = StreamedUpdate(
        gradient: gradient, update: update, stripRows: rows,
        slots: [norm.slot] + addSlots(strips - 1, to: table))
      let parameter = node.operands[0]
      let operands = nodes[producer].operands + [table, parameter] + node.operands.dropFirst(2)
      nodes[position] = makeNode(operation, operands, phase: .backward, part: .body)
      isRemoved[producer] = true
      isRemoved[others[0]] = true
    }
    nodes = zip(nodes, isRemoved).filter { !$0.1 }.map(\.0)
  }

  /// Adds slots to the table of partial sums of squares.
  private mutating func addSlots(_ count: Int, to table: ValueID) -> [Int] {
    let slot = 2 * SquaredNorm.partials
    let known = type(of: table).shape.count / slot
    self[table].type = TensorType([(known + count) * slot])
    return Array(known..<known + count)
  }
}
