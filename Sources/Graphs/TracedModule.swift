/// A named part of a traced forward pass: a layer, a block or a part of one, as the model calls it.
///
/// Adaptations find their places by these names ("layers[3].attention.output") instead of by patterns
/// of nodes. They hold for the graph as it was traced; later stages of the compiler don't keep them.
public struct TracedModule: Hashable, Sendable {
  /// The part's path, that of its weight where it is one linear map.
  public let path: String
  /// What it reads: the first operand of the module.
  public let input: ValueID
  /// What it gives.
  public let output: ValueID
}

extension Graph {
  /// The module of that path; nil if the pass has none.
  public func module(_ path: String) -> TracedModule? { modules.first { $0.path == path } }
}

extension Traced {
  /// Traces a named part of the model that reads this value.
  public func module(_ path: String, _ body: (Traced) -> Traced) -> Traced {
    let output = body(self)
    tracer.graph.modules.append(TracedModule(path: path, input: id, output: output.id))
    return output
  }
}
