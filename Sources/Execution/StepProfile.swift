import Programs

/// Seconds by phase, summed over all runs since the last reset.
public struct StepProfile: Hashable, Sendable {
  public var forward = 0.0
  public var backward = 0.0
  public var update = 0.0

  public init() {}

  mutating func add(_ seconds: Double, to phase: Phase) {
    switch phase {
    case .forward: forward += seconds
    case .backward: backward += seconds
    case .update: update += seconds
    }
  }
}

extension Duration {
  /// The duration in seconds.
  public var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
