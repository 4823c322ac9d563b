import Records
import Tensors

/// One candidate as the probes left it.
public struct CandidateResult: Sendable {
  public var candidate: Candidate
  public var learningRate: Double
  /// Held-out loss after each round, with the steps trained by then.
  public var rounds: [(steps: Int, loss: Double)]
  public var isChosen: Bool
}

/// What an analysis found: `contributions.json`.
public struct AnalysisResult: Sendable {
  /// Hash of all that the result depends on: model, text, settings.
  public var key: String
  public var plan: AnalysisPlan
  public var budget: SchemeBudget
  /// What the probes were judged by, in words: "48 windows of the training text".
  public var heldOut: String
  public var table: ContributionTable
  /// Cheap scores by tensor.
  public var gradients: [String: GradientScore]
  public var calibration: RateCalibration?
  /// C of the rule rate = C / Σ|g|.
  public var rateConstant: Double
  public var candidates: [CandidateResult]
  public var tensors: [TensorFacts]
  /// The whole validation text's loss before training, which the run need not measure again.
  public var initialValidationLoss: Double?
  /// Probes trained, seconds of the analysis without the winner's own steps.
  public var probes = 0
  /// Arena and mapped weights of the largest probe.
  public var largestStep = 0
  public var seconds = 0.0
  /// Work that was planned for it, as a share of the run's.
  public var priceShare = 0.0
  /// The winner's probe, whose steps are the run's first ones; empty where nothing was probed.
  public var reports: [StepReport] = []

  /// What a tensor costs when it is added to a trained last block.
  public struct TensorFacts: Sendable {
    public var path: String
    /// Of its rows.
    public var share: Double
    /// Per token, and bytes of the planned peak.
    public var flops: Double
    public var bytes: Int
  }

  public var chosen: CandidateResult? { candidates.first { $0.isChosen } }
}

extension AnalysisResult {
  /// The gain that adding up contributions predicts for the chosen scheme, in nats over the probe's
  /// steps; nil without contributions.
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

  /// What the chosen scheme gained in its probe, in nats; nil where it was not probed.
  public var measuredGain: Double? {
    guard let loss = chosen?.rounds.last?.loss, let base = table.baseLoss else { return nil }
    return base - loss
  }

  private var lastLayer: Int {
    table.contributions.compactMap { ParameterPath($0.path)?.layer }.max() ?? 0
  }
}
