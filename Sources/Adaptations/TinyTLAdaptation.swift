import Graphs
import Programs
import Tensors

/// TinyTL (Cai et al. 2020) for decoders: biases, gains and a lite residual train beside a frozen
/// network. The lite residual is the block's own kind of computation made narrow: a few more hidden
/// units of its gated MLP, so that a merged model is one of the same family with wider MLPs.
///
/// Rows of gate and up start Kaiming-uniform with a = √5, columns of down at zero.
public struct TinyTLAdaptation: Adaptation {
  /// Hidden units that each block gets.
  public var units: Int
  /// Paths of the matrices whose biases train.
  public var matrices: Set<String>
  /// The blocks that get units and whose gains train.
  public var blocks: Range<Int>

  public init(units: Int, matrices: Set<String>, blocks: Range<Int>) {
    self.units = units
    self.matrices = matrices
    self.blocks = blocks
  }

  public var name: String { "tiny_tl" }
  public var rateFamily: RateFamily { .units }

  public func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan {
    var plan = try BiasAdaptation(matrices: matrices, firstBlock: blocks.lowerBound)
      .apply(to: &graph)
    var insertion = BranchInsertion(graph)
    for layer in blocks {
      let path = ParameterPath.mlp(layer)
      guard let mlp = insertion.gatedMLP(layer: layer, in: graph) else {
        throw .notLinear(path: path)
      }
      let width = graph.type(of: mlp.input).shape[1]
      func parameter(_ kind: LinearKind, _ rows: Int, _ initial: InitialContents) -> Parameter {
        Parameter(
          path: "\(kind.path(layer: layer)).added", rows: 0..<rows, isTrained: true,
          initial: initial)
      }
      let stream = UInt64(2 * (layer + 1))
      let hidden = HiddenUnits(
        gate: parameter(.gate, units, .kaimingUniform(fanIn: width, stream: stream)),
        up: parameter(.up, units, .kaimingUniform(fanIn: width, stream: stream + 1)),
        down: parameter(.down, width, .zeros), count: units, input: mlp.input,
        activation: mlp.activation)
      insertion.insert(hidden, beside: mlp.down, in: &graph)
      plan.changes.append(
        SavePlan.Change(
          tensor: path,
          content: .hiddenUnits(
            count: units, gate: hidden.gate.name, up: hidden.up.name, down: hidden.down.name)))
    }
    insertion.finish(&graph)
    return plan
  }
}
