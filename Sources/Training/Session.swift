import Checkpoints
import Compilation
import Datasets
import Execution
import Operations
import Programs
import Tensors
import Weights

/// A compiled step bound to a checkpoint, an arena and threads: it trains one micro-batch, updates,
/// and scores. It knows neither files of text nor schedules.
///
/// Windows go in row by row with `fill`, to train on as to score. What frozen blocks make of them
/// is computed, or read where one of `prefixCaches` has it; the figures are the same.
public final class Session {
  public let step: CompiledStep
  public let weights: ModelWeights
  package var training: BoundProgram { bound.training }
  /// The micro-batch's token ids, targets and document starts, [windows · tokens].
  package var batch: BatchMemory { bound.batch }
  private let bound: BoundStep
  private let prefix: FrozenPrefix?

  /// Allocates the arena, loads trained tensors, releases their pages of the checkpoint and maps
  /// those of the frozen ones.
  ///
  /// - Parameters:
  ///   - seed: of the initial low-rank factors.
  ///   - prefixCaches: see `prefixCaches`.
  public init(
    _ step: CompiledStep, weights: ModelWeights, pool: WorkerPool, kernels: Kernels,
    seed: UInt64, prefixCaches: [PrefixCache] = []
  ) throws(TrainingError) {
    self.step = step
    self.weights = weights
    let bound = try BoundStep(step, weights: weights, pool: pool, kernels: kernels)
    self.bound = bound
    prefix = try rethrow(TrainingError.execution) { () throws(ExecutionError) in
      try FrozenPrefix(of: step, bound)
    }
    self.prefixCaches = prefixCaches
    prefix?.use(prefixCaches)
    // Those that timing products has read.
    weights.checkpoint.releasePages()
    bound.initialise(seed: seed)
    settleResidentPages()
  }

  /// Where to keep what frozen blocks make of windows: a cache serves the windows of its own text,
  /// and only steps with its number of frozen blocks, its window length and width. Others, and all
  /// where nothing is split off, are left alone. That the base's weights are the same whenever a
  /// cache is used is the caller's part.
  public var prefixCaches: [PrefixCache] {
    didSet { prefix?.use(prefixCaches) }
  }

  /// Leaves the frozen weights resident and nothing else of the checkpoint: trained tensors are
  /// copies in the arena. Mapping a page brings in its neighbours, so these go last.
  private func settleResidentPages() {
    weights.checkpoint.releasePages()
    let body = step.training.program.buffers
    let external = (body + (step.prefix?.program.buffers ?? [])).filter {
      $0.location == .external
    }
    let mapped = external.filter { $0.name != step.lookedUpTable?.buffer.name }
    for buffer in mapped { weights.makeResident(buffer) }
    // An untied head starts from the embedding, which may stay mapped for the lookup.
    let mappedContents = mapped.map(\.contents)
    for buffer in body where buffer.kind == .parameter {
      guard case .checkpoint(let name, let rows) = buffer.contents,
        !mappedContents.contains(where: buffer.contents.overlaps)
      else { continue }
      weights.checkpoint.tensor(name)?.releasePages(ofRows: rows)
    }
  }

  /// The step's programs as they run: each product in the way that was chosen for it.
  public var programs: [Program] {
    [training.program, bound.validation.program] + (prefix.map { [$0.program] } ?? [])
  }

  /// Bytes of the arena: allocated at once, never grown.
  public var arenaBytes: Int { bound.arena.byteCount }

  /// The checkpoint that a delta of this session is bound to.
  public var checkpoint: Checkpoint { weights.checkpoint }
}

extension Session {
  /// Makes a window of a text row `row` of the next micro-batch, to train on or to score.
  ///
  /// - Parameters:
  ///   - row: 0 to the windows of a micro-batch.
  ///   - window: of the step's window length; the last one may be partial.
  public func fill(row: Int, from text: TokenStream, window: Int) {
    batch.fill(row: row, tokens: step.shape.tokens, from: text, window: window)
    prefix?.fill(row: row, from: text, window: window)
  }

  /// Makes given ids row `row` of the next micro-batch, to train on or to score.
  ///
  /// - Parameters:
  ///   - tokens: as many ids as a window of the step has.
  ///   - targets: the id to predict at each place; -1 where none counts.
  ///   - documentStarts: the place where each token's document begins; nil: all are one document.
  public func fill(
    row: Int, tokens: [Int32], targets: [Int32], documentStarts: [Int32]? = nil
  ) {
    precondition(
      tokens.count == step.shape.tokens && (0..<step.shape.windows).contains(row),
      "\(tokens.count) tokens for row \(row) of \(step.shape)")
    batch.fill(
      row: row, tokens: tokens, targets: targets,
      starts: documentStarts ?? tokens.map { _ in 0 })
    prefix?.fill(row: row)
  }

  /// Makes row `row` of the next micro-batch count for nothing.
  public func clear(row: Int) {
    batch.clear(row: row, tokens: step.shape.tokens)
    prefix?.clear(row: row)
  }

  /// Starts an optimizer step.
  ///
  /// - Parameter scoredTokens: the targets that count in all micro-batches of the step; the gradient
  ///   is that of their mean loss, and zero if there are none.
  public func beginStep(
    learningRate: Double, optimizer: Optimizer, step number: Int, scoredTokens: Int
  ) {
    if let inputs = bound.updateInputs {
      let corrections = optimizer.corrections(step: number)
      let hyper = inputs.hyper
      hyper[HyperSlot.learningRate] = Float(learningRate)
      hyper[HyperSlot.firstCorrection] = Float(corrections.first)
      hyper[HyperSlot.secondCorrection] = Float(corrections.second)
      hyper[HyperSlot.clipScale] = 1
      hyper[HyperSlot.step] = Float(number)
      inputs.lossScale[0] = scoredTokens > 0 ? 1 / Float(scoredTokens) : 0
    }
    training.resetProfile()
    prefix?.resetProfile()
    training.run(.begin)
  }

  /// Forward and backward of the rows filled; the sum of the losses of targets that count, in
  /// nats.
  public func runMicroBatch() -> Double {
    prepare()
    training.run(.body)
    return lossSum(bound.trainingLosses)
  }

  /// What the rows filled need before the step's own program.
  private func prepare() {
    if let prefix {
      prefix.prepare()
    } else {
      bound.embedding?.load(batch.tokens)
    }
  }

  /// Updates the parameters; the gradient's norm before clipping.
  public func finishStep() -> Double {
    training.run(.finish)
    return Double(bound.updateInputs?.hyper[HyperSlot.gradientNorm] ?? 0)
  }

  /// The sum of the losses of the rows filled, in nats.
  public func score() -> Double {
    runValidation()
    return lossSum(bound.validationLosses)
  }

  /// The sum of the losses of each row filled, in nats.
  package func scoreRows() -> [Double] {
    runValidation()
    let tokens = step.shape.tokens
    return (0..<step.shape.windows).map { row in
      lossSum(.init(rebasing: bound.validationLosses[row * tokens..<(row + 1) * tokens]))
    }
  }

  private func runValidation() {
    prepare()
    // Whoever changed parameters last, an update or a state that was read: what depends on them, the
    // scales of rows, is computed anew.
    bound.validation.run(.begin)
    bound.validation.run(.body)
  }

  private func lossSum(_ losses: UnsafeMutableBufferPointer<Float>) -> Double {
    losses.reduce(0) { $0 + Double($1) }
  }
}

extension Session {
  /// Seconds by phase since the step began; those of the prefix, computed or read, are forward.
  var profile: StepProfile {
    var profile = training.profile
    profile.forward += prefix?.seconds ?? 0
    return profile
  }

  /// Runs one micro-batch on the rows filled, and the updates, and times each kernel.
  func profileStep() -> [KernelProfile] {
    let below = prefix?.profile() ?? []
    return below + [StepPart.begin, .body, .finish].flatMap { training.profile($0) }
  }

  /// How often frozen blocks have been computed for a micro-batch, to train on or to score.
  package var prefixRuns: Int { prefix?.runs ?? 0 }

  /// What went wrong with the caches since the last call, one sentence each; the session goes on
  /// without the cache that it is about.
  public func takeWarnings() -> [String] { prefixCaches.compactMap { $0.takeWarning() } }
}
