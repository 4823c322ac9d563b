import Storage

/// Held-out loss over training time: one point per validation, linearly interpolated.
public struct LossCurve: JSONRecord {
  /// A validation: seconds of training before it (including the analysis, without validations) and
  /// the mean loss in nats.
  public struct Point: Hashable, Sendable {
    public let seconds: Double
    public let loss: Double

    public init(seconds: Double, loss: Double) {
      self.seconds = seconds
      self.loss = loss
    }
  }

  /// Sorted by time. The first point is the base model before training.
  public let points: [Point]

  public init(_ points: [Point]) { self.points = points }

  public init(_ json: JSONValue) {
    points = (json.array ?? []).compactMap { point in
      guard let seconds = point[0]?.double, let loss = point[1]?.double else { return nil }
      return Point(seconds: seconds, loss: loss)
    }
  }

  /// JSON form: `[[seconds, loss], …]`.
  public var json: JSONValue {
    .array(points.map { [.number($0.seconds), .number($0.loss)] })
  }
}
