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

  /// Micro-batches of a step that are run; all of them take the same time.
  private static let mostMicroBatches = 4
  /// Once a step took this long, it is run only once more.
  private static let patience = 2.0

  /// The median of a few steps after a warm-up step, in seconds. Of a step of many micro-batches only
  /// some are run.
  public func secondsPerStep(repetitions: Int = 5) -> Double {
    let isSlow = seconds { _ = runStep() } > Self.patience
    return Self.median((0..<(isSlow ? 1 : repetitions)).map { _ in runStep() })
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
    return Double(batches)
      * Self.median((0..<repetitions).map { _ in seconds { _ = session.score() } })
  }

  private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

  private func seconds(_ body: () -> Void) -> Double {
    let clock = ContinuousClock()
    let start = clock.now
    body()
    return (clock.now - start).seconds
  }

  /// Seconds of each kernel in a step, timed call by call after two warm-up steps; the frozen
  /// blocks' kernels come first.
  public func profile() -> [KernelProfile] {
    _ = runStep()
    _ = runStep()
    return session.profileStep()
  }

  /// The same for a session that has trained, and so needs no warm-up: one micro-batch and an update.
  public func profileOnce() -> [KernelProfile] {
    let windows = text.windowCount(
      sequenceLength: settings.shape.tokens, includePartial: false)
    guard windows > 0 else { return [] }
    session.beginStep(
      learningRate: 0, optimizer: settings.optimizer, step: 1,
      scoredTokens: settings.shape.tokensPerStep)
    for row in 0..<settings.shape.windows {
      session.fill(row: row, from: text, window: row % windows)
    }
    return session.profileStep()
  }

  /// - Returns: the seconds of the whole step, those of micro-batches that were left out included.
  private func runStep() -> Double {
    let shape = settings.shape
    let microBatches = min(shape.accumulation, Self.mostMicroBatches)
    let count = max(1, text.windowCount(sequenceLength: shape.tokens, includePartial: false))
    let windows = (0..<shape.windows * microBatches).map { $0 % count }
    let clock = ContinuousClock()
    let start = clock.now
    session.beginStep(
      learningRate: 0, optimizer: settings.optimizer, step: 1,
      scoredTokens: text.scoredCount(windows: windows, sequenceLength: shape.tokens))
    let begun = clock.now
    for microBatch in 0..<microBatches {
      for row in 0..<shape.windows {
        session.fill(row: row, from: text, window: windows[microBatch * shape.windows + row])
      }
      _ = session.runMicroBatch()
    }
    let summed = clock.now
    _ = session.finishStep()
    let rest = (begun - start).seconds + (clock.now - summed).seconds
    return rest + (summed - begun).seconds * Double(shape.accumulation) / Double(microBatches)
  }
}
