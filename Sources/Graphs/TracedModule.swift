/// A named part of a traced forward pass: a layer, a block or a part of one, as the model calls it.
///
/// Adaptations find the modules to change by these names ("layers[3].attention.output") instead of
/// by patterns of nodes. The names hold for the graph as traced; later compiler stages don't keep
/// them.
public struct TracedModule: Hashable, Sendable {
  /// The module's path; for a single linear map, the path of its weight.
  public let path: String
  /// The module's input: its first operand.
  public let input: ValueID
  /// The module's output.
  public let output: ValueID
}

extension Traced {
  /// Traces a named module whose input is this value.
  public func module(_ path: String, _ body: (Traced) -> Traced) -> Traced {
    let output = body(self)
    tracer.graph.add(TracedModule(path: path, input: id, output: output.id))
    return output
  }
}
