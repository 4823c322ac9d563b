import Graphs
import Operations
import Tensors

/// Biases of linear maps train, with the gains of the norms beside them: what TinyTL keeps of a
/// frozen network's own parameters (Cai et al. 2020). A gradient of a bias needs no input of its
/// map, so no activation is kept for it.
///
/// A map without a bias gets one that starts at zero. A delta stores it as rows of the map's bias,
/// of which a base that has none implies zeros.
public struct BiasAdaptation: Adaptation {
  /// Paths of the matrices whose biases train.
  public var matrices: Set<String>
  /// The lowest block whose gains train.
  public var firstBlock: Int

  public init(matrices: Set<String>, firstBlock: Int = 0) {
    self.matrices = matrices
    self.firstBlock = firstBlock
  }

  public var name: String { "bias" }
  public var rateFamily: RateFamily { .vectors }

  public func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan {
    graph.trainGains(from: firstBlock)
    let added = try graph.trainBiases(of: matrices)
    var plan = SavePlan(rowsOf: graph)
    plan.changes += added
    guard graph.trainedParameterCount > 0 else { throw .trainsNothing(method: name) }
    return plan
  }
}

extension Graph {
  /// Makes the gains of the norms trainable in the blocks from the given one on, and behind them.
  mutating func trainGains(from block: Int) {
    for (value, parameter) in parameters where parameter.kind == .gain {
      guard let place = ParameterPath(parameter.path), place.layer.map({ $0 >= block }) ?? true
      else { continue }
      train(value)
    }
  }

  /// Makes the biases of linear maps trainable; a map without one gets it.
  ///
  /// - Parameter matrices: paths of the maps' matrices.
  /// - Returns: the changes of biases that the model does not have.
  /// - Throws: `AdaptationError.notLinear` for a path at which there is no linear map of a block.
  mutating func trainBiases(
    of matrices: Set<String>
  ) throws(AdaptationError) -> [SavePlan.Change] {
    var missing = matrices
    var changes: [SavePlan.Change] = []
    for position in nodes.indices {
      guard var linear = nodes[position].operation as? Linear,
        case .parameter(let weight) = self[nodes[position].operands[1]].source,
        ParameterPath(weight.path)?.layer != nil, missing.remove(weight.path) != nil
      else { continue }
      if linear.hasBias {
        train(nodes[position].operands[1 + linear.parts])
        continue
      }
      let outputs = type(of: nodes[position].results[0]).shape[1]
      let bias = Parameter(
        path: "\(weight.path).bias", rows: 0..<outputs, kind: .bias, isTrained: true,
        initial: .zeros)
      linear.hasBias = true
      nodes[position].operation = linear
      nodes[position].operands.insert(
        addSource(.parameter(bias), TensorType([outputs])), at: 1 + linear.parts)
      changes.append(
        SavePlan.Change(
          tensor: bias.path, content: .rows(runs: [bias.rows], parameter: bias.name)))
    }
    if let path = missing.min() { throw .notLinear(path: path) }
    return changes
  }
}
