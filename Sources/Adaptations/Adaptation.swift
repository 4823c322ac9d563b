import Graphs
import Operations
import Tensors

/// A fine-tuning method: which parameters train, which nodes are inserted for them, and what of
/// that a delta stores.
///
/// How a delta's changes are merged into weights is defined with their encodings
/// (`Checkpoints/Deltas`); changes that are not merged are inserted by `ChangesBesideWeights` with the
/// method's own code.
public protocol Adaptation: Sendable {
  /// The method's name, as recipes spell it.
  var name: String { get }
  /// Marks parameters as trained, splits them or inserts new ones. Callers use `adapt`, which
  /// checks.
  ///
  /// - Returns: which trained parameters go into a delta, and how.
  /// - Throws: `AdaptationError` if the method names something that the graph does not have.
  func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan
  /// Path → share of its rows, for methods that train individually chosen tensors: saved in a
  /// training state, so that a resumed run trains the same. Nil for other methods.
  var trainedShares: [String: Double]? { get }
  /// What trains, as far as its learning rate is concerned.
  var rateFamily: RateFamily { get }
}

extension Adaptation {
  public var trainedShares: [String: Double]? { nil }
  public var rateFamily: RateFamily { .tensors }

  /// Applies the method and checks that its plan claims every trained parameter exactly once: a
  /// delta that silently leaves some out is worse than none.
  ///
  /// - Returns: which trained parameters go into a delta, and how.
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
  /// The model's own parameters, those that are whole tensors of the checkpoint.
  var modelParameters: [(value: ValueID, path: String)] {
    parameters.compactMap { value, parameter in
      guard case .checkpoint = parameter.initial else { return nil }
      return (value, parameter.path)
    }
  }

  /// The number of elements of all trained parameters.
  public var trainedParameterCount: Int {
    parameters.reduce(0) { total, item in
      item.parameter.isTrained ? total + type(of: item.value).shape.count : total
    }
  }

  /// Makes the whole tensor trainable, in f32.
  mutating func train(_ value: ValueID) {
    guard case .parameter(var parameter) = self[value].source else { return }
    parameter.isTrained = true
    self[value] = Value(
      type: TensorType(self[value].type.shape), source: .parameter(parameter))
  }
}
