import Records
import Storage

/// What a run's events say, put in order. A step that a resumed run did again replaces the earlier one.
public struct RunHistory: Sendable {
  public private(set) var start: RunDescription?
  public private(set) var forecast: MemoryForecast?
  /// Floating-point operations of a step per token, and those of full fine-tuning.
  public private(set) var flopsPerToken = 0.0
  public private(set) var fullFlopsPerToken = 0.0
  public private(set) var schedule: MemorySchedule?
  public private(set) var analysis: AnalysisRecord?
  public private(set) var calibration: CalibrationRecord?
  /// In ascending order of their numbers.
  public private(set) var steps: [StepReport] = []
  public private(set) var validations: [Validation] = []
  /// Scores of the guard's text in ascending order of their steps.
  public private(set) var guardReports: [GuardReport] = []
  public private(set) var warnings: [String] = []
  public private(set) var samples: [Sample] = []
  public private(set) var kernels: KernelTimes?
  public private(set) var summary: RunSummary?

  /// A pass over the held-out text; the loss is in nats.
  public struct Validation: Hashable, Sendable {
    public let step: Int
    public let loss: Double
    /// Whether it was the best so far, within the guard where there is one.
    public let isBest: Bool
  }

  /// A text drawn before the first step or after the last one.
  public struct Sample: Hashable, Sendable {
    public let step: Int
    public let prompt: String
    public let text: String
  }

  public init() {}

  /// Adds the next event.
  public mutating func add(_ event: RunEvent) {
    switch event {
    case .start(let run):
      start = run
      // A run that goes on is not over.
      summary = nil
    case .plan(let forecast, let flops, let fullFlops):
      self.forecast = forecast
      (flopsPerToken, fullFlopsPerToken) = (flops, fullFlops)
    case .memory(let schedule): self.schedule = schedule
    case .analysis(.contributions(let record)): analysis = record
    case .analysis(.learningRate(let record)): calibration = record
    case .step(let report):
      while let last = steps.last, last.step >= report.step { steps.removeLast() }
      steps.append(report)
    case .validation(let step, let loss, let isBest, _):
      while let last = validations.last, last.step >= step { validations.removeLast() }
      validations.append(Validation(step: step, loss: loss, isBest: isBest))
    case .lossGuard(let report):
      while let last = guardReports.last, last.step >= report.step { guardReports.removeLast() }
      guardReports.append(report)
    case .warning(let text): if warnings.last != text { warnings.append(text) }
    case .sample(let step, let prompt, let text):
      samples.removeAll { ($0.step == 0) == (step == 0) }
      samples.append(Sample(step: step, prompt: prompt, text: text))
    case .profile(let times): kernels = times
    case .done(let summary): self.summary = summary
    case .snapshot: break
    }
  }
}

extension RunHistory {
  /// The best validation, or that of the base if none was better; nil without any that is finite.
  public var best: Validation? {
    let base = validations.first { $0.step == 0 }
    let trained = validations.last(where: \.isBest)
    return [base, trained].compactMap(\.self).filter(\.loss.isFinite).min { $0.loss < $1.loss }
  }

  /// All steps that the run is to have; nil before its start.
  public var plannedSteps: Int? { start.map(\.steps) }

  /// Seconds of measuring before the first step.
  public var analysisSeconds: Double {
    let seconds = analysis?.seconds ?? calibration?.seconds ?? start?.analysisSeconds ?? 0
    return seconds.isFinite ? max(0, min(seconds, 1e12)) : 0
  }

  /// Seconds of training up to the end of each step, measuring before the first one included.
  public var trainingSeconds: [Double] {
    var sum = analysisSeconds
    return steps.map { step in
      sum += step.seconds.isFinite ? max(0, min(step.seconds, 1e12)) : 0
      return sum
    }
  }
}
