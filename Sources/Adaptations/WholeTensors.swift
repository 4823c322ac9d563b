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

/// Only the gains of the norms train, the Llama family's counterpart of bias-only tuning
/// (Cai et al. 2020).
public struct NormsAdaptation: Adaptation {
  public init() {}

  public var name: String { "norms" }

  public func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan {
    for (value, parameter) in graph.parameters where parameter.kind == .gain { graph.train(value) }
    return SavePlan(rowsOf: graph)
  }
}

/// The last blocks and the final norm train as a whole; optionally the head too.
public struct LastLayersAdaptation: Adaptation {
  public var count: Int
  public var layers: Int
  public var trainsHead: Bool

  /// - Parameter layers: the number of the model's layers.
  public init(count: Int, layers: Int, trainsHead: Bool = false) {
    self.count = count
    self.layers = layers
    self.trainsHead = trainsHead
  }

  public var name: String { "last_layers" }

  public func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan {
    guard count <= layers else { throw .tooManyLayers(asked: count, available: layers) }
    let known = graph.modelParameters
    let head: ParameterRole =
      known.contains { $0.path == ParameterRole.head.rawValue } ? .head : .embedding
    for (value, path) in known {
      guard let place = ParameterPath(path) else { continue }
      let isLast = place.layer.map { $0 >= layers - count } ?? (place.role == .norm)
      if isLast || (trainsHead && place == ParameterPath(head)) { graph.train(value) }
    }
    return SavePlan(rowsOf: graph)
  }
}

/// Nothing trains: the forward pass for scoring text.
public struct NoAdaptation: Adaptation {
  public init() {}

  public var name: String { "none" }

  public func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan { SavePlan() }
}
