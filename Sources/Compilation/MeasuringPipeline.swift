import Graphs
import Operations
import Programs
import Tensors

extension Pipeline {
  /// Compiles a step that trains nothing: forward, backward, and what measures the gradients.
  ///
  /// - Parameters:
  ///   - traced: a forward pass with parameters marked as trained or scored.
  ///   - measure: adds the measurements to the differentiated graph, given the gradient of each
  ///     parameter; its result is returned with the program.
  /// - Throws: `GraphError` naming the node if a stage breaks the graph.
  static func measuring<Result>(
    _ traced: Graph, precision: ProductPrecision,
    _ measure: (inout Graph, _ gradients: [ValueID: ValueID]) -> Result
  ) throws(GraphError) -> (program: CompiledProgram, result: Result) {
    guard let loss = traced.output(.loss) else {
      throw .invalid(node: "output loss", problem: "is missing")
    }
    var pipeline = Pipeline(traced, keepsStages: false)
    var result: Result?
    try pipeline.run("differentiate") { graph throws(GraphError) in
      let scale = graph.addInput(.lossScale, [1])
      let gradients = try graph.differentiate(loss, cotangent: scale)
      result = measure(&graph, gradients)
    }
    guard let result else { preconditionFailure("a stage that did not run") }
    try pipeline.optimise(precision: precision)
    var layout = PersistentLayout()
    pipeline.addBuffers(layout: &layout)
    return (try pipeline.lower(layout: layout), result)
  }
}

extension Graph {
  /// Adds a table of so many floats that measurements write to and whoever runs the program reads.
  mutating func addTable<Element>(_ port: Port<Element>, _ count: Int) -> ValueID {
    let table = addSource(
      .state(port.name, .workspace, .zeros), TensorType([max(1, count)]))
    outputs.append((port.name, table))
    return table
  }
}
