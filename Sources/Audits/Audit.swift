import Checkpoints
import Datasets
import Recipes
import Records
import Runs
import Storage
import Tensors
import Training

#if canImport(Glibc)
  import Glibc
#endif

/// What can be read from a delta, tried out against it.
public struct Audit {
  /// What is audited, and how thoroughly.
  public struct Settings: Sendable {
    /// The checkpoint that was trained.
    public var model: String
    public var delta: String
    /// The text that may have been trained on, and text of the same kind that was not.
    public var train: [String]
    public var heldOut: [String]
    /// Shadow runs to train.
    public var shadows = 0
    /// Windows of each text that are scored at most.
    public var windows = 400
    /// Tokens of a window; nil for as many as the delta was trained with.
    public var sequenceLength: Int?
    /// Text between documents of a file, as in the recipe.
    public var documentSeparator: String?
    /// The longest beginnings that the span test searches for.
    public var prefixLength = 4
    public var threads = 2
    public var precision = PrecisionChoice.auto
    public var seed: UInt64 = 0
    /// Numbers that the secret of each canary could be.
    public var candidates = 1024

    public init(model: String, delta: String, train: [String], heldOut: [String]) {
      (self.model, self.delta, self.train, self.heldOut) = (model, delta, train, heldOut)
    }
  }

  /// Fewer windows on either side tell nothing about membership.
  static let leastWindows = 16

  public let settings: Settings
  private let delta: Delta
  private let recorded: RecordedRecipe
  private let base: LoadedModel
  private let train: TextWindows
  private let heldOut: TextWindows
  private let folder: AuditFolder
  /// What the texts' readers warned of.
  public let warnings: [String]

  /// Opens model and delta and reads the texts.
  ///
  /// - Throws: what opening and reading throw; `AuditError.tooFewWindows` for a text without any.
  public init(_ settings: Settings) throws {
    self.settings = settings
    delta = try Delta.open(settings.delta)
    recorded = RecordedRecipe(delta: delta)
    base = try LoadedModel(
      settings.model, threads: settings.threads, precision: settings.precision)
    // Refuses a delta of another base before anything is computed.
    _ = try DeltaMerge(
      base: base.weights.checkpoint, deltas: [(delta, 1)], leftOut: [.hiddenUnits, .tensor])
    folder = try AuditFolder()
    let length = settings.sequenceLength ?? recorded.sequenceLength ?? 256
    let texts = AuditTexts(
      recorded: recorded, base: base, sequenceLength: length,
      separator: settings.documentSeparator, cacheFolder: folder.inner + "/cache")
    let (train, heldOut) = (try texts.train(settings.train), try texts.heldOut(settings.heldOut))
    self.train = TextWindows(train.train, sequenceLength: length)
    self.heldOut = TextWindows(heldOut.train, sequenceLength: length)
    warnings = train.warnings + heldOut.warnings
    for (use, text) in [("training", self.train), ("held-out", self.heldOut)] {
      guard text.windows.isEmpty else { continue }
      throw AuditError.tooFewWindows(use: use, found: 0, needed: 1, sequenceLength: length)
    }
  }

  /// Whether there are windows enough to tell members from others.
  private var canScore: Bool {
    min(train.windows.count, heldOut.windows.count) >= Self.leastWindows
  }

  /// What the audit will take.
  ///
  /// - Throws: what encoding throws.
  public func price() throws -> AuditPrice {
    let length = train.sequenceLength
    let vocabulary = base.weights.configuration.vocabularySize
    let (own, others) = (
      min(settings.windows, train.windows.count), min(settings.windows, heldOut.windows.count)
    )
    // Of one shadow's numbers; others take about as many.
    let canaries = Canaries(candidates: settings.candidates, seed: settings.seed)
    let exposure = settings.shadows > 0 ? try Exposure.tokenCount(canaries, base.tokenizer) : 0
    // The base and the delta score all windows, a shadow none of the half that it has read.
    let scored = canScore ? 2 * (own + others) + settings.shadows * (own + others / 2) : 0
    let amount = Double(heldOut.windows.count) / 2 / Double(max(1, train.windows.count))
    let perEpoch = train.windows.count * length
    let trained = Double(recorded.trainedTokens ?? perEpoch)
    return AuditPrice(
      forwardTokens: vocabulary + scored * length + settings.shadows * exposure,
      shadowTokens: Int(min(1e15, Double(settings.shadows) * trained * amount)),
      trainedTokens: recorded.trainedTokens,
      perTrainedToken: TrainingArithmetic(of: delta).perToken(
        epochs: trained / Double(max(1, perEpoch))))
  }

  /// Runs all parts.
  ///
  /// - Parameters:
  ///   - say: called with what is done next.
  ///   - shouldStop: asked often; true ends the audit.
  /// - Throws: `TrainingError.interrupted` if it was asked to stop, and what scoring and shadow runs
  ///   throw.
  public func run(
    say: (String) -> Void = { _ in }, shouldStop: @escaping () -> Bool = { false }
  ) throws -> AuditRecord {
    let clock = ContinuousClock()
    let start = clock.now
    defer { folder.remove() }
    var record = AuditRecord(
      delta: delta.contentHash, base: delta.baseHash, method: recorded.methodName,
      sequenceLength: train.sequenceLength, trainWindows: train.windows.count,
      heldOutWindows: heldOut.windows.count)
    say("span test")
    record.span = try SpanTest(
      base: base, train: train, heldOut: heldOut, prefixLength: settings.prefixLength
    ).run(delta, shouldStop: shouldStop)
    if shouldStop() { throw TrainingError.interrupted }
    if canScore { try score(&record, say, shouldStop) }
    record.judge()
    record.seconds = (clock.now - start).seconds
    return record
  }

  /// Membership, extraction and exposure.
  private func score(
    _ record: inout AuditRecord, _ say: (String) -> Void, _ shouldStop: @escaping () -> Bool
  ) throws {
    let texts = [train.spread(settings.windows), heldOut.spread(settings.windows)]
    func scores(_ model: LoadedModel, _ texts: [TextWindows]) throws -> [[TokenScores]] {
      let scorer = try WindowScorer(model, tokens: train.sequenceLength)
      return try texts.map { text in
        guard let scores = try scorer.scores(text, unless: shouldStop) else {
          throw TrainingError.interrupted
        }
        return scores
      }
    }
    say("scores of \(texts[0].windows.count) and \(texts[1].windows.count) windows")
    let before = try scores(base, texts)
    let after = try scores(try tuned(settings.delta), texts)
    var scored = zip(after, before).map { after, before in
      ScoredText(
        tuned: after, base: before, shadowLosses: Array(repeating: nil, count: after.count))
    }
    if settings.shadows > 0 {
      record.exposure = try compare(&scored, texts, scores, say, shouldStop)
    }
    record.membership =
      Membership(members: scored[0], nonMembers: scored[1], seed: settings.seed).record
    if let extraction = Extraction(sequenceLength: train.sequenceLength) {
      let rows = [(after, true), (before, false)].flatMap { scores, hasDelta in
        scores.enumerated().map { index, windows in
          extraction.row(windows, hasDelta: hasDelta, isTrained: index == 0)
        }
      }
      record.extraction = ExtractionRecord(
        prompt: extraction.length, continuation: extraction.length, rows: rows)
    }
  }

  private func tuned(_ path: String) throws -> LoadedModel {
    try LoadedModel(
      settings.model, deltas: [path], threads: settings.threads, precision: settings.precision)
  }

  /// Trains shadows; adds their losses to windows that they were not trained on.
  private func compare(
    _ scored: inout [ScoredText], _ texts: [TextWindows],
    _ scores: (LoadedModel, [TextWindows]) throws -> [[TokenScores]], _ say: (String) -> Void,
    _ shouldStop: @escaping () -> Bool
  ) throws -> ExposureRecord {
    let runs = ShadowRuns(
      recorded: recorded, model: Folder.absolute(settings.model), heldOut: heldOut,
      trainedTokens: train.windows.count * train.sequenceLength, tokenizer: base.tokenizer,
      threads: settings.threads, seed: settings.seed,
      candidates: settings.candidates, folder: folder.inner)
    // By window.
    var losses = texts.map { _ in [Int: [Double]]() }
    var exposure = ExposureRecord(candidates: settings.candidates, rows: [])
    for index in 0..<settings.shadows {
      say("shadow run \(index + 1) of \(settings.shadows)")
      let shadow = try runs.train(index, shouldStop: shouldStop)
      let model = try tuned(shadow.deltaPath)
      let unseen = [texts[0], texts[1].without(shadow.windows)]
      for (text, values) in try scores(model, unseen).enumerated() {
        for (window, score) in zip(unseen[text].windows, values) {
          losses[text][window, default: []].append(score.loss)
        }
      }
      exposure.rows += try Exposure(model: model, canaries: shadow.canaries, shadow: index).rows()
    }
    for text in scored.indices {
      scored[text].shadowLosses = texts[text].windows.map { window in
        losses[text][window].map { $0.reduce(0, +) / Double($0.count) }
      }
    }
    return exposure
  }
}
