import Graphs
import Operations
import Tensors

/// Chosen tensors, or the first rows of them, train (Lin et al. 2022; Zhu et al. 2023).
///
/// A share below 1 splits the matrix in two parts: the first rows as a trained f32 tensor, the rest
/// where the checkpoint is mapped. Both stay dense products.
public struct SparseAdaptation: Adaptation {
  /// Path → share of the tensor's rows, in (0, 1].
  public var scheme: [String: Double]

  public init(scheme: [String: Double]) { self.scheme = scheme }

  public var name: String { "sparse" }

  public func apply(to graph: inout Graph) throws(AdaptationError) {
    let known = Dictionary(
      graph.modelParameters.map { ($0.path, $0.value) }, uniquingKeysWith: { first, _ in first })
    for (path, share) in scheme.sorted(by: { $0.key < $1.key }) {
      guard let value = known[path] else { throw .matchesNothing(pattern: path) }
      let shape = graph.type(of: value).shape
      let rows = Self.rows(share: share, of: shape[0])
      if rows == shape[0] {
        graph.train(value)
      } else if shape.rank == 2 {
        graph.split(value, at: rows)
      } else {
        throw .shareOfVector(path: path, share: share)
      }
    }
    guard graph.trainedParameterCount > 0 else { throw .trainsNothing(method: name) }
  }

  /// Rows that a share stands for: to the nearest multiple of 16 that leaves at least 1.
  public static func rows(share: Double, of total: Int) -> Int {
    guard share < 1 else { return total }
    let exact = share * Double(total)
    let rounded = Int((exact / 16).rounded()) * 16
    return min(total, max(1, rounded == 0 ? Int(exact.rounded()) : rounded))
  }
}

extension Graph {
  /// Replaces a matrix by its first rows, trained, and the others, frozen.
  fileprivate mutating func split(_ value: ValueID, at rows: Int) {
    guard case .parameter(let parameter) = self[value].source else { return }
    let type = self[value].type
    func part(_ range: Range<Int>, trained: Bool) -> ValueID {
      let part = Parameter(
        path: parameter.path, rows: range, isTrained: trained,
        initial: .checkpoint(name: parameter.path, rows: range))
      let shape: Shape = [range.count, type.shape[1]]
      return addSource(
        .parameter(part), TensorType(shape, trained ? .f32 : type.elementType))
    }
    let first = part(0..<rows, trained: true)
    let rest = part(rows..<type.shape[0], trained: false)
    for position in nodes.indices {
      guard let index = nodes[position].operands.firstIndex(of: value),
        let partitioned = nodes[position].operation as? any PartitionedOperation
      else { continue }
      nodes[position].operation = partitioned.withOneMorePart()
      nodes[position].operands.replaceSubrange(index...index, with: [first, rest])
    }
  }
}
