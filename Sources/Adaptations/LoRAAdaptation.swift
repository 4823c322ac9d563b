import Graphs
import Operations
import Programs
import Tensors

/// Low-rank adaptation (Hu et al. 2021): y = x·Wᵀ + (alpha/rank) · (x·Aᵀ)·Bᵀ, W frozen.
///
/// A [rank, in] starts Kaiming-uniform with a = √5, B [out, rank] at zero, as in PEFT. Where A stays as
/// it is drawn (LoRA-FA, Zhang et al. 2023), the backward pass needs x·Aᵀ, rank numbers a token, in
/// place of x.
public struct LoRAAdaptation: Adaptation {
  public var rank: Int
  public var alpha: Double
  /// Paths of the matrices to adapt.
  public var targets: Set<String>

  /// Whether A stays as it is drawn.
  public var freezesA: Bool

  public init(rank: Int, alpha: Double, targets: Set<String>, freezesA: Bool = false) {
    self.rank = rank
    self.alpha = alpha
    self.targets = targets
    self.freezesA = freezesA
  }

  public var name: String { freezesA ? "lora_fa" : "lora" }
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
        path: "\(module.path).lora_a", rows: 0..<rank, isTrained: !freezesA,
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
