import Adaptations
import Datasets
import Execution
import Tensors
import Training
import Weights

/// The learning rate of one method, calibrated for that method: the first guess is the rule C /
/// Σ|g|, and short runs at rates around it decide. Every method is calibrated the same way, so that
/// no comparison is lost by a badly tuned rate.
public struct MethodCalibration: Sendable {
  public private(set) var rate: Double
  /// Nil where the run is too short for a calibration within the price.
  public private(set) var calibration: RateCalibration?
  public private(set) var seconds = 0.0

  /// The runs of a calibration within its price.
  public struct Plan {
    /// Steps of each of its runs, and the most runs.
    var length: Int
    var runs: Int
    /// The number of windows of the training text that they train on.
    var trainedWindows: Int
    var heldOut: HeldOutWindows
    /// The most that the calibration costs, in steps of the run.
    public var price: Double

    /// Possible lengths of the runs in steps, longest first.
    private static let lengths = [20, 15, 12, 10, 8]
    private static let usualRuns = AnalysisPlan.usualCalibrationRuns

    /// - Parameter share: the highest price, as a share of the run.
    /// - Returns: nil where the run is too short for any calibration.
    public init?(
      _ settings: TrainingSettings, share: Double, text: TokenStream, validation: TokenStream?
    ) {
      let plans =
        Self.lengths.map { ($0, Self.usualRuns) } + [(8, AnalysisPlan.fewestCalibrationRuns)]
      for (length, runs) in plans where 2 * length <= settings.steps {
        guard
          let plan = Plan(settings, length: length, runs: runs, text: text, validation: validation)
        else { continue }
        guard plan.price <= share * Double(settings.steps) else { continue }
        self = plan
        return
      }
      return nil
    }

    private init?(
      _ settings: TrainingSettings, length: Int, runs: Int, text: TokenStream,
      validation: TokenStream?
    ) {
      let isShort = runs == AnalysisPlan.fewestCalibrationRuns
      let perStep = settings.shape.windowsPerStep
      guard
        let heldOut = HeldOutWindows(
          settings, text: text, validation: validation, probeWindows: length * perStep,
          share: isShort ? 1.0 / 3 : 1)
      else { return nil }
      // A forward pass is at most half of a step.
      let scoring = 0.5 * Double(heldOut.windows.count) / Double(perStep)
      (self.length, self.runs, trainedWindows) = (length, runs, length * perStep)
      self.heldOut = heldOut
      // The first guess takes one gradient scan.
      price = Double(runs) * (Double(length) + scoring) + 1
    }
  }

  /// - Parameters:
  ///   - share: the highest price, as a share of the run.
  ///   - prefixFolder: the folder for activations that the short runs share, and their limit in
  ///     bytes.
  /// - Throws: `TrainingError.interrupted` if it was asked to stop.
  public init(
    _ adaptation: any Adaptation, compiler: StepCompiler, share: Double, weights: ModelWeights,
    text: TokenStream, validation: TokenStream?, pool: WorkerPool, kernels: Kernels,
    prefixFolder: String, prefixBytes: Int, observe: (AnalysisProgress) -> Void,
    shouldStop: @escaping () -> Bool
  ) throws(TrainingError) {
    let start = ContinuousClock.now
    let settings = compiler.settings
    let guess = try Self.guess(
      adaptation, compiler, weights: weights, text: text, pool: pool, kernels: kernels)
    rate = guess
    if let plan = Plan(settings, share: share, text: text, validation: validation) {
      let length = plan.length
      let prefixes = SharedPrefixes(
        text: text, trainedWindows: plan.trainedWindows, heldOut: plan.heldOut,
        folder: prefixFolder, byteLimit: prefixBytes)
      let bench = ProbeBench(
        compiler, weights: weights, text: text, heldOut: plan.heldOut, pool: pool, kernels: kernels,
        prefixes: prefixes, shouldStop: shouldStop)
      let found = try RateCalibration(around: guess, maximumRuns: plan.runs) {
        (rate) throws(TrainingError) in
        let schedule = settings.schedule.compressed(to: length, peak: rate)
        let result = try bench.run(
          Probe(adaptation, schedule: schedule, steps: length))
        observe(
          AnalysisProgress(
            stage: "learning rate", label: "rate \(formatted(rate, decimals: 5))",
            done: bench.probes, total: plan.runs, loss: result.loss))
        return result.loss
      }
      calibration = found
      rate = found.rate
    }
    seconds = (ContinuousClock.now - start).seconds
  }

  /// C / Σ|g| with the uncalibrated C, summed over the parameters that the method trains.
  private static func guess(
    _ adaptation: any Adaptation, _ compiler: StepCompiler, weights: ModelWeights,
    text: TokenStream, pool: WorkerPool, kernels: Kernels
  ) throws(TrainingError) -> Double {
    let rule = LearningRateRule(
      [:], optimizer: compiler.settings.optimizer, configuration: compiler.configuration,
      family: adaptation.rateFamily)
    return rule.rate(
      forSize: try gradientSize(
        of: adaptation, compiler, weights: weights, text: text, pool: pool, kernels: kernels))
  }

  /// Σ|g| over the parameters that a method trains, from the run's first micro-batch.
  static func gradientSize(
    of adaptation: any Adaptation, _ compiler: StepCompiler, weights: ModelWeights,
    text: TokenStream, pool: WorkerPool, kernels: Kernels
  ) throws(TrainingError) -> Double {
    let settings = compiler.settings
    let scan = try GradientScan(
      compiler, adaptation: adaptation, weights: weights, pool: pool, kernels: kernels,
      seed: settings.seed)
    let windows = BatchOrder.firstWindows(settings, of: text, count: settings.shape.windows)
    let scores = scan.run(over: text, windows: windows)
    // Summed in a fixed order, so that the result is the same in every process.
    return scores.sorted { $0.key < $1.key }.reduce(0) {
      $0 + LearningRateRule.size(of: $1.value, settings.optimizer)
    }
  }
}

extension BatchOrder {
  /// The windows that a run trains on first.
  static func firstWindows(
    _ settings: TrainingSettings, of text: TokenStream, count: Int
  ) -> [Int] {
    let total = text.windowCount(sequenceLength: settings.shape.tokens, includePartial: false)
    var order = BatchOrder(windowCount: total, seed: settings.seed, shuffle: settings.shuffles)
    return (0..<count).map { order.window(at: $0) }
  }
}

extension LearningRateSchedule {
  /// The same curve over a short run: a few warm-up steps, then the whole decay.
  func compressed(to steps: Int, peak: Double) -> LearningRateSchedule {
    var copy = self
    copy.peak = peak
    copy.totalSteps = steps
    copy.warmupSteps = min(warmupSteps, max(1, steps / 4))
    return copy
  }
}
