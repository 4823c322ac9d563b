import Graphs
import Tensors

/// Only the gains of the norms train, the Llama family's counterpart of bias-only tuning
/// (Cai et al. 2020).
public struct NormsAdaptation: Adaptation {
  public init() {}

  public var name: String { "norms" }
  public var rateFamily: RateFamily { .vectors }

  public func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan {
    for (value, parameter) in graph.parameters where parameter.kind == .gain { graph.train(value) }
    return SavePlan(rowsOf: graph)
  }
}
