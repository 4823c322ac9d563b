import Graphs
import Operations
import Programs
import Tensors

/// Compiles a step that trains nothing: forward, backward, and cheap scores of each gradient as
/// soon as it is complete, so that only one gradient is stored at a time, without optimizer state.
public struct ScoreCompiler: Sendable {
  /// What matmuls multiply.
  public var precision: ProductPrecision

  public init(precision: ProductPrecision = .f32) { self.precision = precision }

  /// Compiles the step. The port `gradientScores` holds the sums, a slot for each scored parameter.
  ///
  /// - Parameter traced: a forward pass with parameters marked as trained or scored.
  /// - Returns: the program, and the parameters in the order of their slots.
  /// - Throws: `GraphError` naming the node if a stage breaks the graph.
  public func compile(
    _ traced: Graph
  ) throws(GraphError) -> (program: CompiledProgram, scored: [Parameter]) {
    let (program, scored) = try Pipeline.measuring(traced, precision: precision) {
      graph, gradients in graph.appendScores(gradients)
    }
    return (program, scored)
  }
}

extension Graph {
  /// Appends the scores of every gradient; returns the parameters in the order of their slots.
  fileprivate mutating func appendScores(_ gradients: [ValueID: ValueID]) -> [Parameter] {
    let scored = parameters.filter { gradients[$0.value] != nil }
    let record = addInput(.recordSigns, [1])
    let table = addTable(.gradientScores, max(1, scored.count) * GradientScores.slotFloats)
    for (slot, item) in scored.enumerated() {
      guard let gradient = gradients[item.value] else { continue }
      let words = GradientScores.signWords(type(of: gradient).shape.count)
      let signs = addSource(
        .state("\(item.parameter.name).signs", .workspace, .zeros), TensorType([words]))
      add(GradientScores(slot: slot), [gradient, signs, record, table], phase: .update)
    }
    return scored.map(\.parameter)
  }
}
