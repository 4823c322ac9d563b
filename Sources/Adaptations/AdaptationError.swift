import Tensors

/// A method that asks for something the model does not have.
public enum AdaptationError: Failure, Equatable {
  case matchesNothing(pattern: String)
  case tooManyLayers(asked: Int, available: Int)
  case trainsNothing(method: String)
  case notLinear(path: String)
  /// A graph has no residual stream behind a block, or behind the last one.
  case noStream(layer: Int?)
  case shareOfVector(path: String, share: Double)
  /// An operation reads a weight of which some rows should train, and can't take them apart.
  case noRowSelection(path: String, operation: String)
  /// A method trains a parameter that no change of its save plan claims, or that two claim.
  case unclaimed(method: String, parameter: String)

  public var category: FailureCategory {
    switch self {
    case .unclaimed, .noRowSelection, .noStream: .bug
    default: .usage
    }
  }

  public var description: String {
    switch self {
    case .matchesNothing(let pattern): "'\(pattern)' matches no tensor of this model"
    case .tooManyLayers(let asked, let available):
      "asks for the last \(asked) layers; this model has \(available)"
    case .trainsNothing(let method): "method '\(method)' leaves nothing to train"
    case .notLinear(let path):
      "low-rank factors go beside linear maps of a block; '\(path)' is none"
    case .noStream(let layer):
      "there is no residual stream behind \(layer.map { "block \($0)" } ?? "the last block"), "
        + "which is a bug"
    case .shareOfVector(let path, let share):
      "'\(path)' is a vector and trains whole; its share is \(share), expected 1"
    case .noRowSelection(let path, let operation):
      "some rows of '\(path)' should train, but '\(operation)' reads it whole, which is a bug"
    case .unclaimed(let method, let parameter):
      "method '\(method)' trains '\(parameter)', but its deltas would not hold it exactly once, "
        + "which is a bug"
    }
  }
}
