import Graphs
import Tensors

/// Every parameter trains.
public struct FullAdaptation: Adaptation {
  public init() {}

  public var name: String { "full" }

  public func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan {
    for (value, _) in graph.modelParameters { graph.train(value) }
    return SavePlan(rowsOf: graph)
  }
}
