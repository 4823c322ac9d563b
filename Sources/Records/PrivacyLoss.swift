import Storage

/// What training has cost in privacy so far: (ε, δ)-differential privacy between sets of windows, inputs
/// with targets, of which one has one window more.
public struct PrivacyLoss: Hashable, Sendable {
  /// Infinite without noise.
  public var epsilon: Double
  public var delta: Double

  public init(epsilon: Double, delta: Double) {
    self.epsilon = epsilon
    self.delta = delta
  }

  /// - Returns: nil for an object without the members.
  init?(_ json: JSONValue) {
    guard let delta = json["delta"]?.double, let epsilon = json["epsilon"] else { return nil }
    self.init(epsilon: epsilon.double ?? .infinity, delta: delta)
  }

  /// The members of an event; an infinite ε is null.
  var members: [(String, JSONValue)] {
    [("epsilon", epsilon.isFinite ? .number(epsilon) : .null), ("delta", .number(delta))]
  }
}
