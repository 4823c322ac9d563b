import Graphs
import Operations
import Tensors

/// Chosen tensors, or the first rows of them, train (Lin et al. 2022; Zhu et al. 2023).
///
/// A share below 1 splits the matrix into two parts: the first rows as a trained f32 tensor, the
/// rest in the mapped checkpoint. Both remain dense matmuls.
///
/// A scheme may name `head` for a tied model as well. That unties it: the head's values train,
/// initialised from the embedding's rows, and the lookup keeps reading the frozen embedding, so the
/// embedding itself needs no gradient through the blocks. With `headRows`, a share of the head
/// means its rows of the most frequent pieces, wherever they are; the others stay in the mapped
/// checkpoint.
public struct SparseAdaptation: Adaptation {
  /// Path → share of the tensor's rows, in (0, 1].
  public var scheme: [String: Double]
  /// Rows of the head in the order in which a share takes them (pieces by frequency, the most
  /// frequent first), distinct; empty to take the first rows, as for every other matrix.
  public var headRows: [Int32]

  public init(scheme: [String: Double], headRows: [Int32] = []) {
    self.scheme = scheme
    self.headRows = headRows
  }

  public var name: String { "sparse" }
  public var trainedShares: [String: Double]? { scheme }

  public func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan {
    if scheme[ParameterRole.head.rawValue] != nil { graph.untieHead() }
    let known = Dictionary(
      graph.modelParameters.map { ($0.path, $0.value) }, uniquingKeysWith: { first, _ in first })
    var parts: [ValueID: [ValueID]] = [:]
    for (path, share) in scheme.sorted(by: { $0.key < $1.key }) {
      guard let value = known[path] else { throw .matchesNothing(pattern: path) }
      let shape = graph.type(of: value).shape
      let rows = Self.rows(share: share, of: shape[0])
      if rows == shape[0] {
        graph.train(value)
      } else if path == ParameterRole.head.rawValue, !headRows.isEmpty {
        try graph.selectRows(headRows.prefix(rows).sorted(), of: value)
      } else if shape.rank == 2 {
        parts[value] = graph.split(value, at: rows)
      } else {
        throw .shareOfVector(path: path, share: share)
      }
    }
    graph.readParts(parts)
    guard graph.trainedParameterCount > 0 else { throw .trainsNothing(method: name) }
    return SavePlan(rowsOf: graph)
  }

  /// The number of rows for a share, at least 1: rounded to a multiple of 16, or to whole rows
  /// where that multiple is 0.
  public static func rows(share: Double, of total: Int) -> Int {
    guard share < 1 else { return total }
    let exact = share * Double(total)
    let rounded = Int((exact / 16).rounded()) * 16
    return min(total, max(1, rounded == 0 ? Int(exact.rounded()) : rounded))
  }
}

extension Graph {
  /// Gives a tied model's head a parameter of its own, "head", initialised from the embedding's
  /// rows. Only the lookup still reads the embedding.
  package mutating func untieHead() {
    let (headPath, tablePath) = (ParameterRole.head.rawValue, ParameterRole.embedding.rawValue)
    guard !modelParameters.contains(where: { $0.path == headPath }),
      let embedding = modelParameters.first(where: { $0.path == tablePath })?.value
    else { return }
    let type = type(of: embedding)
    let rows = 0..<type.shape[0]
    let head = addSource(
      .parameter(
        Parameter(
          path: headPath, rows: rows, kind: .table,
          initial: .checkpoint(name: tablePath, rows: rows))),
      type)
    for position in nodes.indices where !nodes[position].operation.isLookup {
      nodes[position].operands = nodes[position].operands.map { $0 == embedding ? head : $0 }
    }
  }

  /// Makes given rows of the head trainable, apart from the frozen rest.
  ///
  /// - Throws: `AdaptationError.noRowSelection` if an operation reads the head that can't take its
  ///   rows from elsewhere.
  package mutating func selectRows(_ ids: [Int32], of head: ValueID) throws(AdaptationError) {
    guard case .parameter(let parameter) = self[head].source,
      case .checkpoint(let tensor, _) = parameter.initial
    else { return }
    let shape = type(of: head).shape
    precondition(
      Set(ids).count == ids.count && ids.allSatisfy { $0 >= 0 && $0 < shape[0] },
      "rows of \(parameter.path) \(shape)")
    let numbers = addSource(
      .constant("\(parameter.path).rows", .integers(ids)), TensorType([ids.count], .int32))
    let selected = Parameter(
      path: parameter.path, rows: parameter.rows, kind: parameter.kind, isTrained: true,
      initial: .checkpointRows(name: tensor, ids: ids))
    let rows = addSource(.parameter(selected), TensorType([ids.count, shape[1]]))
    for position in nodes.indices where nodes[position].operands.contains(head) {
      guard var operation = nodes[position].operation as? any RowSelectingOperation else {
        throw .noRowSelection(path: parameter.path, operation: nodes[position].operation.name)
      }
      operation.hasSelectedRows = true
      nodes[position].operation = operation
      nodes[position].operands += [numbers, rows]
    }
  }

  /// Makes two matrices of one: its first rows, trained, and the remaining rows, frozen. Nothing reads
  /// them yet.
  fileprivate mutating func split(_ value: ValueID, at rows: Int) -> [ValueID]? {
    guard case .parameter(let parameter) = self[value].source,
      case .checkpoint(let tensor, _) = parameter.initial
    else { return nil }
    let type = self[value].type
    func part(_ range: Range<Int>, trained: Bool) -> ValueID {
      let part = Parameter(
        path: parameter.path, rows: range, kind: parameter.kind, isTrained: trained,
        initial: .checkpoint(name: tensor, rows: range))
      let shape: Shape = [range.count, type.shape[1]]
      return addSource(
        .parameter(part), TensorType(shape, trained ? .f32 : type.elementType))
    }
    return [part(0..<rows, trained: true), part(rows..<type.shape[0], trained: false)]
  }

  /// Makes every node that can read the parts of a split matrix (key) in its place.
  fileprivate mutating func readParts(_ parts: [ValueID: [ValueID]]) {
    guard !parts.isEmpty else { return }
    for position in nodes.indices {
      for (index, value) in nodes[position].operands.enumerated().reversed() {
        guard let replacement = parts[value],
          let partitioned = nodes[position].operation as? any PartitionedOperation
        else { continue }
        nodes[position].operation = partitioned.withOneMorePart()
        nodes[position].operands.replaceSubrange(index...index, with: replacement)
      }
    }
  }
}
