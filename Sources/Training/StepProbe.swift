import Datasets
import Execution

/// Times a session's step without changing its parameters: the learning rate is zero, and the
/// optimizer state is discarded with the session.
public struct StepProbe {
  private let session: Session
  private let settings: TrainingSettings
  private let text: TokenStream

  public init(_ session: Session, settings: TrainingSettings, text: TokenStream) {
    self.session = session
    self.settings = settings
    self.text = text
  }

  /// The median of a few steps after a warm-up step, in seconds.
  public func secondsPerStep(repetitions: Int = 5) -> Double {
    runStep()
    return median(repetitions, runStep)
  }

  /// Seconds that scoring a whole text takes, from scoring a batch of it a few times.
  public func secondsPerValidation(of text: TokenStream, repetitions: Int = 3) -> Double {
    let shape = settings.shape
    let windows = text.windowCount(sequenceLength: shape.tokens, includePartial: true)
    guard windows > 0 else { return 0 }
    for row in 0..<shape.windows {
      session.fill(row: row, from: text, window: row % windows)
    }
    let batches = (windows + shape.windows - 1) / shape.windows
    return Double(batches) * median(repetitions) { _ = session.score() }
  }

  private func median(_ repetitions: Int, _ body: () -> Void) -> Double {
    let clock = ContinuousClock()
    let seconds = (0..<repetitions).map { _ in
      let start = clock.now
      body()
      return (clock.now - start).seconds
    }
    return seconds.sorted()[repetitions / 2]
  }

  /// Seconds of each kernel in a step, timed call by call after two warm-up steps; the frozen
  /// blocks' kernels come first.
  public func profile() -> [KernelProfile] {
    runStep()
    runStep()
    return session.profileStep()
  }

  private func runStep() {
    let shape = settings.shape
    let count = max(1, text.windowCount(sequenceLength: shape.tokens, includePartial: false))
    let windows = (0..<shape.windows * shape.accumulation).map { $0 % count }
    session.beginStep(
      learningRate: 0, optimizer: settings.optimizer, step: 1,
      scoredTokens: text.scoredCount(windows: windows, sequenceLength: shape.tokens))
    for microBatch in 0..<shape.accumulation {
      for row in 0..<shape.windows {
        session.fill(row: row, from: text, window: windows[microBatch * shape.windows + row])
      }
      _ = session.runMicroBatch()
    }
    _ = session.finishStep()
  }
}
