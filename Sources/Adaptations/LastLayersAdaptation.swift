import Graphs
import Tensors

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
