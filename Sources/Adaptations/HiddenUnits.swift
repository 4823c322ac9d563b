import Graphs
import Operations
import Programs
import Tensors

/// More hidden units of a gated MLP, beside its own: y += scale · (f(h·Gᵀ) ⊙ h·Uᵀ)·Dᵀ with the MLP's
/// input h, its activation f, gate G and up U [units, D], down D [D, units].
struct HiddenUnits: SideBranch {
  var gate: Parameter
  var up: Parameter
  var down: Parameter
  var count: Int
  var scale: Float = 1
  /// The MLP's input, [N, D].
  var input: ValueID
  var activation: Activation

  func nodes(beside linear: Node, in graph: inout Graph) -> [Node] {
    let width = graph.type(of: input).shape[1]
    let gate = graph.addSource(.parameter(gate), TensorType([count, width]))
    let up = graph.addSource(.parameter(up), TensorType([count, width]))
    let down = graph.addSource(.parameter(down), TensorType([width, count]))
    let gated = graph.makeNode(Linear(), [input, gate], phase: .forward)
    let raised = graph.makeNode(Linear(), [input, up], phase: .forward)
    let hidden = graph.makeNode(
      GatedActivation(activation), [gated.results[0], raised.results[0]], phase: .forward)
    let lowered = graph.makeNode(
      Linear(scale: scale), [hidden.results[0], down], phase: .forward)
    return [gated, raised, hidden, lowered]
  }
}
