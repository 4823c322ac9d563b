import Graphs
import Tensors

/// Nothing trains: the forward pass for scoring text.
public struct NoAdaptation: Adaptation {
  public init() {}

  public var name: String { "none" }

  public func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan { SavePlan() }
}
