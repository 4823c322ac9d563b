import Graphs
import Programs
import Tensors

/// LoRA factors in a pass in which they are not merged into the weights: the same branches as in
/// training, frozen, with their values read from a mapped delta.
public struct FactorsBesideWeights: Adaptation {
  /// The factors of one matrix in one delta.
  public struct Branch: Hashable, Sendable {
    /// The matrix's path.
    public var matrix: String
    /// Names of A [rank, in] and B [out, rank] for `InitialContents.delta`.
    public var a: String
    public var b: String
    public var rank: Int
    /// What B·A is scaled by.
    public var scale: Double
    /// The type in which both are stored.
    public var elementType: ElementType

    public init(
      matrix: String, a: String, b: String, rank: Int, scale: Double, elementType: ElementType
    ) {
      self.matrix = matrix
      self.a = a
      self.b = b
      self.rank = rank
      self.scale = scale
      self.elementType = elementType
    }
  }

  public var branches: [Branch]

  public init(_ branches: [Branch]) { self.branches = branches }

  public var name: String { "factors" }

  public func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan {
    var insertion = BranchInsertion(graph)
    for branch in branches {
      guard let module = graph.module(branch.matrix),
        let outputs = insertion.matrix(of: module, in: graph)?[0]
      else { throw .notLinear(path: branch.matrix) }
      func factor(_ name: String, _ rows: Int) -> Parameter {
        Parameter(path: name, rows: 0..<rows, initial: .delta(name: name))
      }
      let inserted = LowRankBranch(
        a: factor(branch.a, branch.rank), b: factor(branch.b, outputs), rank: branch.rank,
        scale: Float(branch.scale), elementType: branch.elementType)
      insertion.insert(inserted, beside: module, in: &graph)
    }
    insertion.finish(&graph)
    return SavePlan()
  }
}
