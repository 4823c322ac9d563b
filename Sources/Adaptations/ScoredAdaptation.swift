import Graphs
import Tensors

/// Computes gradients of chosen tensors for scores; nothing trains.
///
/// The tensors stay in the mapped checkpoint, in their stored type.
public struct ScoredAdaptation: Adaptation {
  /// Paths of the tensors; nil for all.
  public var paths: Set<String>?

  public init(paths: Set<String>? = nil) { self.paths = paths }

  public var name: String { "scored" }

  public func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan {
    let known = graph.modelParameters
    if let path = paths?.subtracting(known.map(\.path)).min() {
      throw .matchesNothing(pattern: path)
    }
    for (value, path) in known where paths?.contains(path) ?? true {
      guard case .parameter(var parameter) = graph[value].source else { continue }
      parameter.isScored = true
      graph[value].source = .parameter(parameter)
    }
    return SavePlan()
  }
}
