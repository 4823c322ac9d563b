import Datasets

/// Scores windows of a text with a session's current parameters, the last partial window included.
public struct Evaluator {
  private let session: Session
  private let text: TokenStream
  /// The number of scored targets in the text.
  public let tokenCount: Int

  public init(_ session: Session, text: TokenStream) {
    self.session = session
    self.text = text
    tokenCount = text.scoredCount
  }

  /// Mean negative log-likelihood over all scored targets, in nats; nan for a text without any.
  public func meanLoss() -> Double {
    let tokens = session.step.shape.tokens
    let count = text.windowCount(sequenceLength: tokens, includePartial: true)
    var sum = 0.0
    score(Array(0..<count)) { _ in sum += session.score() }
    return sum / Double(tokenCount)
  }

  /// The mean loss of each given window, in nats per scored target; 0 for a window without any.
  public func windowLosses(_ windows: [Int]) -> [Double] {
    var losses: [Double] = []
    score(windows) { rows in losses += session.scoreRows().prefix(rows) }
    let tokens = session.step.shape.tokens
    return zip(losses, windows).map { loss, window in
      loss / Double(max(1, text.scoredCount(window: window, sequenceLength: tokens)))
    }
  }

  /// Fills micro-batches with windows and calls `body` with the number of filled rows.
  private func score(_ windows: [Int], _ body: (_ rows: Int) -> Void) {
    let shape = session.step.shape
    for first in stride(from: 0, to: windows.count, by: shape.windows) {
      let rows = min(shape.windows, windows.count - first)
      for row in 0..<rows { session.fill(row: row, from: text, window: windows[first + row]) }
      for row in rows..<shape.windows { session.clear(row: row) }
      body(rows)
      text.releasePages()
    }
  }
}
