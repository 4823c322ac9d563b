import Graphs
import Programs
import Tensors

/// LoRA factors, hidden units and ladders in a pass in which they are not merged into the weights: the
/// same branches as in training, frozen, with their values read from a mapped delta.
public struct ChangesBesideWeights: Adaptation {
  /// The factors of one matrix in one delta.
  public struct Factors: Hashable, Sendable {
    /// The matrix's path.
    public var matrix: String
    /// Names of A [rank, in] and B [out, rank] for `InitialContents.delta`.
    public var a: String
    public var b: String
    public var rank: Int
    /// What B·A is scaled by.
    public var scale: Double
    /// The type in which both are stored.
    public var elementType: ElementType

    public init(
      matrix: String, a: String, b: String, rank: Int, scale: Double, elementType: ElementType
    ) {
      self.matrix = matrix
      self.a = a
      self.b = b
      self.rank = rank
      self.scale = scale
      self.elementType = elementType
    }
  }

  /// The hidden units of one block in one delta, in f32.
  public struct Units: Hashable, Sendable {
    public var layer: Int
    /// Names of gate and up [count, D] and down [D, count] for `InitialContents.delta`.
    public var gate: String
    public var up: String
    public var down: String
    public var count: Int
    /// What is added is scaled by it.
    public var scale: Double

    public init(
      layer: Int, gate: String, up: String, down: String, count: Int, scale: Double
    ) {
      self.layer = layer
      self.gate = gate
      self.up = up
      self.down = down
      self.count = count
      self.scale = scale
    }
  }

  /// The ladder of one delta, in f32.
  public struct Ladder: Hashable, Sendable {
    /// Names of its tensors for `InitialContents.delta`.
    public var names: [LadderTensor: String]
    /// d.
    public var width: Int
    /// What it adds is scaled by it.
    public var scale: Double

    public init(names: [LadderTensor: String], width: Int, scale: Double) {
      self.names = names
      self.width = width
      self.scale = scale
    }
  }

  public var factors: [Factors]
  public var units: [Units]
  public var ladders: [Ladder]

  public init(factors: [Factors], units: [Units] = [], ladders: [Ladder] = []) {
    self.factors = factors
    self.units = units
    self.ladders = ladders
  }

  public var name: String { "changes" }

  public func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan {
    var insertion = BranchInsertion(graph)
    func parameter(_ name: String, _ rows: Int) -> Parameter {
      Parameter(path: name, rows: 0..<rows, initial: .delta(name: name))
    }
    for branch in factors {
      guard let module = graph.module(branch.matrix),
        let outputs = insertion.matrix(of: module, in: graph)?[0]
      else { throw .notLinear(path: branch.matrix) }
      let inserted = LowRankBranch(
        a: parameter(branch.a, branch.rank), b: parameter(branch.b, outputs), rank: branch.rank,
        scale: Float(branch.scale), elementType: branch.elementType)
      insertion.insert(inserted, beside: module, in: &graph)
    }
    for units in units {
      guard let mlp = insertion.gatedMLP(layer: units.layer, in: graph) else {
        throw .notLinear(path: ParameterPath.mlp(units.layer))
      }
      let width = graph.type(of: mlp.input).shape[1]
      let hidden = HiddenUnits(
        gate: parameter(units.gate, units.count), up: parameter(units.up, units.count),
        down: parameter(units.down, width), count: units.count, scale: Float(units.scale),
        input: mlp.input, activation: mlp.activation)
      insertion.insert(hidden, beside: mlp.down, in: &graph)
    }
    insertion.finish(&graph)
    for ladder in ladders { try ladder.network(in: graph).insert(into: &graph) }
    return SavePlan()
  }
}

extension ChangesBesideWeights.Ladder {
  /// The ladder as a graph gets it.
  fileprivate func network(in graph: Graph) -> LadderNetwork {
    LadderNetwork(
      width: width, modelWidth: graph.lastStream.map { graph.type(of: $0).shape[1] } ?? 0,
      layers: Set(names.keys.compactMap { $0.place?.layer }), scale: Float(scale)
    ) { tensor, shape in
      let name = names[tensor] ?? tensor.name
      return Parameter(path: name, rows: 0..<shape[0], initial: .delta(name: name))
    }
  }
}
