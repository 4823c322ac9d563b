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
    guard let top = graph.module(ParameterRole.norm.rawValue)?.input, !blocks.isEmpty else {
      throw .noStream(layer: nil)
    }
    let modelWidth = graph.type(of: top).shape[1]
    let hidden = LadderNetwork.hiddenWidth(of: width)
    var plan = SavePlan()
    var stream: UInt64 = 0
    func parameter(_ path: String, _ rows: Int, _ columns: Int, startsAtZero: Bool = false)
      -> Parameter
    {
      stream += 1
      let parameter = Parameter(
        path: path, rows: 0..<rows, isTrained: true,
        initial: startsAtZero ? .zeros : .kaimingUniform(fanIn: columns, stream: stream))
      plan.changes.append(
        SavePlan.Change(
          tensor: path, content: .tensor([rows, columns], parameter: parameter.name)))
      return parameter
    }
    let network = LadderNetwork(
      rungs: blocks.map { layer in
        func path(_ part: LadderTensor.Part) -> String { LadderTensor(layer, part).name }
        return LadderNetwork.Rung(
          layer: layer, tap: parameter(path(.tap), width, modelWidth),
          gate: parameter(path(.gate), hidden, width), up: parameter(path(.up), hidden, width),
          down: parameter(path(.down), width, hidden))
      },
      output: parameter(LadderTensor.output.name, modelWidth, width, startsAtZero: true),
      width: width)
    try network.insert(into: &graph)
    return plan
  }
}
