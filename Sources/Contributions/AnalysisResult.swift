import Records
import Tensors

/// The probe results of one candidate.
public struct CandidateResult: Sendable {
  public var candidate: Candidate
  public var learningRate: Double
  /// Held-out loss after each round, with the total of steps trained by then.
  public var rounds: [(steps: Int, loss: Double)]
  public var isChosen: Bool
}

/// The result of an analysis, as saved in `contributions.json`.
public struct AnalysisResult: Sendable {
  /// Hash of everything that the result depends on: model, text, settings.
  public var key: String
  public var plan: AnalysisPlan
  public var budget: SchemeBudget
  /// The held-out windows in words: "48 windows of the training text".
  public var heldOut: String
  public var table: ContributionTable
  /// Gradient scores by tensor path.
  public var gradients: [String: GradientScore]
  public var calibration: RateCalibration?
  /// C of the rule rate = C / Σ|g|.
  public var rateConstant: Double
  public var candidates: [CandidateResult]
  public var tensors: [TensorFacts]
  /// The whole validation text's loss before training, so that the run need not measure it again.
  public var initialValidationLoss: Double?
  /// The number of trained probes; `seconds` leaves out the winner's own steps.
  public var probes = 0
  /// Bytes of arena and mapped weights of the largest probe.
  public var largestStep = 0
  public var seconds = 0.0
  /// The planned price as a share of the run's arithmetic.
  public var priceShare = 0.0
  /// The steps of the winner's probe, which are the run's first ones; empty if nothing was probed.
  public var reports: [StepReport] = []

  /// The cost of a tensor added to a trained last block.
  public struct TensorFacts: Sendable {
    public var path: String
    /// The share of the tensor's rows.
    public var share: Double
    /// Floating-point operations per token, and bytes of the planned peak.
    public var flops: Double
    public var bytes: Int
  }

  public var chosen: CandidateResult? { candidates.first { $0.isChosen } }
}

extension AnalysisResult {
  /// The sum of the chosen scheme's contributions, in nats over the probe's steps; nil without
  /// contributions.
  public var predictedGain: Double? {
    guard let chosen, !table.contributions.isEmpty, let base = table.baseLoss,
      let lastBlock = table.lastBlockLoss
    else { return nil }
    let scores = table.scores
    let others = chosen.candidate.scheme.keys.sorted().filter { path in
      ParameterPath(path)?.layer.map { $0 < lastLayer } ?? true
    }
    return base - lastBlock + others.reduce(0) { $0 + (scores[$1] ?? 0) }
  }

  /// The chosen scheme's gain in its probe, in nats; nil if it was not probed.
  public var measuredGain: Double? {
    guard let loss = chosen?.rounds.last?.loss, let base = table.baseLoss else { return nil }
    return base - loss
  }

  private var lastLayer: Int {
    table.contributions.compactMap { ParameterPath($0.path)?.layer }.max() ?? 0
  }
}
