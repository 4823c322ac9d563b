import Datasets

/// Scores windows of a text with a session's current parameters, the last partial window included.
public struct Evaluator {
  private let session: Session
  private let text: TokenStream

  public init(_ session: Session, text: TokenStream) {
    self.session = session
    self.text = text
  }

  /// The text's target tokens.
  public var tokenCount: Int { max(0, text.count - 1) }

  /// Mean negative log-likelihood over all target tokens, in nats; nan for a text without any.
  public func meanLoss() -> Double {
    let shape = session.step.shape
    let count = text.windowCount(sequenceLength: shape.tokens, includePartial: true)
    let batch = session.validationBatch
    var sum = 0.0
    for first in stride(from: 0, to: count, by: shape.windows) {
      for row in 0..<shape.windows {
        if first + row < count {
          batch.fill(row: row, tokens: shape.tokens, from: text, window: first + row)
        } else {
          batch.clear(row: row, tokens: shape.tokens)
        }
      }
      sum += session.score()
      text.releasePages()
    }
    return sum / Double(tokenCount)
  }
}
