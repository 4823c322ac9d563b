import Graphs
import Operations
import Programs
import Tensors

/// Low-rank adaptation (Hu et al. 2021): y = x·Wᵀ + (alpha/rank) · (x·Aᵀ)·Bᵀ, W frozen.
///
/// A [rank, in] starts Kaiming-uniform with a = √5, B [out, rank] at zero, as in PEFT.
public struct LoRAAdaptation: Adaptation {
  public var rank: Int
  public var alpha: Double
  /// Paths of the matrices to adapt.
  public var targets: Set<String>

  public init(rank: Int, alpha: Double, targets: Set<String>) {
    self.rank = rank
    self.alpha = alpha
    self.targets = targets
  }

  public var name: String { "lora" }
  public var rateFamily: RateFamily { .factors }
  /// What B·A is scaled by.
  public var scale: Double { alpha / Double(rank) }

  public func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan {
    var plan = SavePlan()
    var insertion = BranchInsertion(graph)
    for module in graph.modules where targets.contains(module.path) {
      guard let weight = insertion.matrix(of: module, in: graph) else { continue }
      let stream = UInt64(plan.changes.count + 1)
      let a = Parameter(
        path: "\(module.path).lora_a", rows: 0..<rank, isTrained: true,
        initial: .kaimingUniform(fanIn: weight[1], stream: stream))
      let b = Parameter(
        path: "\(module.path).lora_b", rows: 0..<weight[0], isTrained: true, initial: .zeros)
      let branch = LowRankBranch(a: a, b: b, rank: rank, scale: Float(scale))
      insertion.insert(branch, beside: module, in: &graph)
      plan.changes.append(
        SavePlan.Change(
          tensor: module.path,
          content: .lowRank(a: a.name, b: b.name, rank: rank, scale: scale)))
    }
    insertion.finish(&graph)
    let missed = targets.subtracting(plan.changes.map(\.tensor))
    if let path = missed.min() { throw .notLinear(path: path) }
    guard graph.trainedParameterCount > 0 else { throw .trainsNothing(method: name) }
    return plan
  }
}
