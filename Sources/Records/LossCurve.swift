import Storage

/// Held-out loss over training time: a point for each validation, straight lines between them.
public struct LossCurve: JSONRecord {
  /// A validation: seconds trained before it (analysis in front, validations not counted) and the
  /// mean loss in nats.
  public struct Point: Hashable, Sendable {
    public let seconds: Double
    public let loss: Double

    public init(seconds: Double, loss: Double) {
      self.seconds = seconds
      self.loss = loss
    }
  }

  /// In the order of time. The first one is the base before training.
  public let points: [Point]

  public init(_ points: [Point]) { self.points = points }

  public init(_ json: JSONValue) {
    points = (json.array ?? []).compactMap { point in
      guard let seconds = point[0]?.double, let loss = point[1]?.double else { return nil }
      return Point(seconds: seconds, loss: loss)
    }
  }

  /// `[[seconds, loss], …]`.
  public var json: JSONValue {
    .array(points.map { [.number($0.seconds), .number($0.loss)] })
  }
}
