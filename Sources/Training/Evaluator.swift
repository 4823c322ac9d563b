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
    let tokens = session.step.shape.tokens
    let count = text.windowCount(sequenceLength: tokens, includePartial: true)
    var sum = 0.0
    score(Array(0..<count)) { _ in sum += session.score() }
    return sum / Double(tokenCount)
  }

  /// The mean loss of each of some whole windows, in nats per token.
  public func windowLosses(_ windows: [Int]) -> [Double] {
    var losses: [Double] = []
    score(windows) { rows in losses += session.scoreRows().prefix(rows) }
    return losses.map { $0 / Double(session.step.shape.tokens) }
  }

  /// Fills micro-batches with windows; `body` is told how many rows count.
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
