import Datasets

/// Text whose loss may rise by so much at most.
public struct LossGuard: Sendable {
  public let text: TokenStream
  /// In nats per scored target, above the base's loss.
  public let maxIncrease: Double

  public init(text: TokenStream, maxIncrease: Double) {
    self.text = text
    self.maxIncrease = maxIncrease
  }
}
