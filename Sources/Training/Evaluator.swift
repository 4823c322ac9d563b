import Datasets

/// Scores windows of a text with a session's current parameters, the last partial window included.
public struct Evaluator {
  private let session: Session
  let text: TokenStream
  /// The number of scored targets in the text.
  public let tokenCount: Int

  public init(_ session: Session, text: TokenStream) {
    self.session = session
    self.text = text
    tokenCount = text.scoredCount
  }

  /// The windows of the text, the last partial one included.
  public var windowCount: Int {
    text.windowCount(sequenceLength: session.step.shape.tokens, includePartial: true)
  }

  /// Mean negative log-likelihood over all scored targets, in nats; nan for a text without any.
  public func meanLoss() -> Double { meanLoss { false } ?? .nan }

  /// The mean loss as above; nil if `shouldStop`, which is asked before every batch, said so.
  public func meanLoss(unless shouldStop: () -> Bool) -> Double? {
    var sum = 0.0
    let isWhole = score(Array(0..<windowCount), unless: shouldStop) { _ in sum += session.score() }
    return isWhole ? sum / Double(tokenCount) : nil
  }

  /// The mean loss of given windows in nats per scored target, nan without any; nil if `shouldStop`,
  /// which is asked before every batch, said so.
  public func meanLoss(of windows: [Int], unless shouldStop: () -> Bool) -> Double? {
    var sum = 0.0
    guard score(windows, unless: shouldStop, { _ in sum += session.score() }) else { return nil }
    let tokens = session.step.shape.tokens
    return sum / Double(text.scoredCount(windows: windows[...], sequenceLength: tokens))
  }

  /// The mean loss of each given window, in nats per scored target; 0 for a window without any.
  public func windowLosses(_ windows: [Int]) -> [Double] {
    windowLosses(windows) { false } ?? []
  }

  /// The windows' losses as above; nil if `shouldStop`, which is asked before every batch, said so.
  public func windowLosses(_ windows: [Int], unless shouldStop: () -> Bool) -> [Double]? {
    var losses: [Double] = []
    let isWhole = score(windows, unless: shouldStop) { rows in
      losses += session.scoreRows().prefix(rows)
    }
    guard isWhole else { return nil }
    let tokens = session.step.shape.tokens
    return zip(losses, windows).map { loss, window in
      loss / Double(max(1, text.scoredCount(window: window, sequenceLength: tokens)))
    }
  }

  /// Fills micro-batches with windows and calls `body` with the number of filled rows; false if
  /// `shouldStop` ended it before the last batch.
  private func score(
    _ windows: [Int], unless shouldStop: () -> Bool, _ body: (_ rows: Int) -> Void
  ) -> Bool {
    let shape = session.step.shape
    for first in stride(from: 0, to: windows.count, by: shape.windows) {
      if shouldStop() { return false }
      let rows = min(shape.windows, windows.count - first)
      for row in 0..<rows { session.fill(row: row, from: text, window: windows[first + row]) }
      for row in rows..<shape.windows { session.clear(row: row) }
      body(rows)
      text.releasePages()
    }
    return true
  }
}
