import Datasets
import Execution

/// Times a session's step without changing its parameters: the learning rate is zero, and what the
/// optimizer remembers of it dies with the session.
public struct StepProbe {
  private let session: Session
  private let settings: TrainingSettings
  private let text: TokenStream

  public init(_ session: Session, settings: TrainingSettings, text: TokenStream) {
    self.session = session
    self.settings = settings
    self.text = text
  }

  /// The shortest of a few steps after one that warms caches up, in seconds.
  public func secondsPerStep(repetitions: Int = 3) -> Double {
    let clock = ContinuousClock()
    var best = Double.infinity
    for repetition in 0...repetitions {
      let start = clock.now
      runStep()
      if repetition > 0 { best = min(best, (clock.now - start).seconds) }
    }
    return best
  }

  private func runStep() {
    let shape = settings.shape
    let count = max(1, text.windowCount(sequenceLength: shape.tokens, includePartial: false))
    session.beginStep(learningRate: 0, optimizer: settings.optimizer, step: 1)
    for microBatch in 0..<shape.accumulation {
      for row in 0..<shape.windows {
        let window = (microBatch * shape.windows + row) % count
        session.batch.fill(row: row, tokens: shape.tokens, from: text, window: window)
      }
      _ = session.runMicroBatch()
    }
    _ = session.finishStep()
  }
}
