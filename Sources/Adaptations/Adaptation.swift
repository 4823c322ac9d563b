import Graphs
import Operations
import Tensors

/// A fine-tuning method's whole life in a program: which parameters move, what is inserted for them,
/// and what of that a delta keeps.
///
/// How a delta's changes go back into weights stands with their encodings (`Checkpoints/Deltas`); a
/// change that stays beside the weights, `FactorsBesideWeights` inserts with the method's own code.
public protocol Adaptation: Sendable {
  /// The method's name, as recipes spell it.
  var name: String { get }
  /// Marks parameters as trained, splits them or inserts new ones. Call `adapt`, which checks.
  ///
  /// - Returns: what of the trained parameters goes into a delta.
  /// - Throws: `AdaptationError` if it names what the graph does not have.
  func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan
  /// Path → share of its rows, where the method trains tensors that it was given one by one: kept in
  /// a training state, so that a resumed run trains the same.
  var trainedShares: [String: Double]? { get }
}

extension Adaptation {
  public var trainedShares: [String: Double]? { nil }

  /// Applies the method and checks that its plan claims every trained parameter exactly once: a
  /// delta that silently leaves some out is worse than none.
  ///
  /// - Returns: what of the trained parameters goes into a delta.
  /// - Throws: `AdaptationError`; `.unclaimed`, a bug of the method, traps in debug builds.
  @discardableResult
  public func adapt(_ graph: inout Graph) throws(AdaptationError) -> SavePlan {
    let plan = try apply(to: &graph)
    if let parameter = plan.misclaimed(in: graph) {
      let error = AdaptationError.unclaimed(method: name, parameter: parameter)
      assertionFailure("\(error)")
      throw error
    }
    return plan
  }
}

extension Graph {
  /// The model's own parameters: whole tensors of the checkpoint.
  var modelParameters: [(value: ValueID, path: String)] {
    parameters.compactMap { value, parameter in
      guard case .checkpoint = parameter.initial else { return nil }
      return (value, parameter.path)
    }
  }

  /// Trained parameters and the number of their elements.
  public var trainedParameterCount: Int {
    parameters.reduce(0) { total, item in
      item.parameter.isTrained ? total + type(of: item.value).shape.count : total
    }
  }

  /// Lets the whole tensor train: its value becomes f32.
  mutating func train(_ value: ValueID) {
    guard case .parameter(var parameter) = self[value].source else { return }
    parameter.isTrained = true
    self[value] = Value(
      type: TensorType(self[value].type.shape), source: .parameter(parameter))
  }
}
