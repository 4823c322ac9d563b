import Graphs
import Programs
import Tensors

/// A ladder (Sung et al. 2022): a narrow network beside the frozen model trains, and no gradient goes
/// through the model itself. `LadderNetwork` has the formulas.
///
/// Its output starts at zero, all else Kaiming-uniform with a = √5.
public struct LadderAdaptation: Adaptation {
  /// d, the width of the ladder.
  public var width: Int
  /// The blocks whose outputs it reads.
  public var blocks: Range<Int>

  public init(width: Int, blocks: Range<Int>) {
    self.width = width
    self.blocks = blocks
  }

  public var name: String { "ladder" }
  public var rateFamily: RateFamily { .units }

  public func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan {
    guard let top = graph.lastStream, !blocks.isEmpty else { throw .noStream(layer: nil) }
    var plan = SavePlan()
    let network = LadderNetwork(
      width: width, modelWidth: graph.type(of: top).shape[1], layers: blocks
    ) { tensor, shape in
      let stream = UInt64(plan.changes.count + 1)
      let parameter = Parameter(
        path: tensor.name, rows: 0..<shape[0], isTrained: true,
        initial: tensor == .output
          ? .zeros : .kaimingUniform(fanIn: shape.columns, stream: stream))
      plan.changes.append(
        SavePlan.Change(
          tensor: tensor.name, content: .tensor(shape, parameter: parameter.name)))
      return parameter
    }
    try network.insert(into: &graph)
    return plan
  }
}
