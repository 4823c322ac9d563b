import Configurations
import Graphs
import Operations
import Tensors

/// Which parameters move, and what is inserted for them: a rewrite of the traced forward pass.
public protocol Adaptation: Sendable {
  /// The method's name, as recipes spell it.
  var name: String { get }
  /// Marks parameters as trained, splits them or inserts new ones.
  ///
  /// - Throws: `AdaptationError` if it names what the graph does not have.
  func apply(to graph: inout Graph) throws(AdaptationError)
  /// What a low-rank product is scaled by; 1 for methods without one.
  var lowRankScale: Double { get }
}

extension Adaptation {
  public var lowRankScale: Double { 1 }
}

/// A method that asks for what the model does not have.
public enum AdaptationError: Failure, Equatable {
  case matchesNothing(pattern: String)
  case tooManyLayers(asked: Int, available: Int)
  case trainsNothing(method: String)
  case notLinear(path: String)
  case shareOfVector(path: String, share: Double)

  public var category: FailureCategory { .usage }

  public var description: String {
    switch self {
    case .matchesNothing(let pattern): "'\(pattern)' matches no tensor of this model"
    case .tooManyLayers(let asked, let available):
      "asks for the last \(asked) layers; this model has \(available)"
    case .trainsNothing(let method): "method '\(method)' leaves nothing to train"
    case .notLinear(let path):
      "low-rank factors go beside linear maps of a block; '\(path)' is none"
    case .shareOfVector(let path, let share):
      "'\(path)' is a vector and trains whole; its share is \(share), expected 1"
    }
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
