import Checkpoints
import Compilation
import Datasets
import Execution
import Operations
import Programs
import Tensors
import Weights

/// A compiled step bound to a checkpoint, an arena and threads: it trains on one micro-batch,
/// updates the parameters, and scores. It knows neither text files nor schedules.
///
/// `fill` writes windows row by row, both for training and for scoring. The frozen blocks' outputs
/// for them are computed, or read where one of `prefixCaches` holds them; the results are the same.
public final class Session {
  public let step: CompiledStep
  public let weights: ModelWeights
  package var training: BoundProgram { bound.training }
  /// The micro-batch's token ids, targets and document starts, [windows · tokens].
  package var batch: BatchMemory { bound.batch }
  private let bound: BoundStep
  private let prefix: FrozenPrefix?

  /// Allocates the arena, loads the trained tensors, releases their pages of the checkpoint and
  /// maps the pages of the frozen ones.
  ///
  /// - Parameters:
  ///   - seed: seed of the initial low-rank factors.
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
    // Pages that timing matmuls has read.
    weights.checkpoint.releasePages()
    bound.initialise(seed: seed)
    settleResidentPages()
  }

  /// Caches for the frozen blocks' outputs.
  ///
  /// A cache serves the windows of its own text, and only steps with its number of frozen blocks,
  /// its window length and its width; other caches are ignored, and all are where no blocks are
  /// split off. The caller ensures that the base's weights are the same whenever a cache is used.
  public var prefixCaches: [PrefixCache] {
    didSet { prefix?.use(prefixCaches) }
  }

  /// Makes the frozen weights resident and nothing else of the checkpoint: trained tensors are
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

  /// Sets parameters and optimizer state to what they were before the first step.
  ///
  /// - Parameter seed: the seed that the session was made with.
  func restart(seed: UInt64) {
    bound.initialise(seed: seed)
    settleResidentPages()
  }

  /// The step's programs, each matmul in the variant chosen for it.
  public var programs: [Program] {
    [training.program, bound.validation.program] + (prefix.map { [$0.program] } ?? [])
  }

  /// Bytes of the arena: allocated at once, never grown.
  public var arenaBytes: Int { bound.arena.byteCount }

  /// The checkpoint that a delta of this session is bound to.
  public var checkpoint: Checkpoint { weights.checkpoint }
}

extension Session {
  /// Fills row `row` of the next micro-batch with a window of a text, to train on or to score.
  ///
  /// - Parameters:
  ///   - row: from 0, less than the number of windows in a micro-batch.
  ///   - window: index of a window of the step's length; the last one may be partial.
  public func fill(row: Int, from text: TokenStream, window: Int) {
    batch.fill(row: row, tokens: step.shape.tokens, from: text, window: window)
    prefix?.fill(row: row, from: text, window: window)
  }

  /// Fills row `row` of the next micro-batch with given ids, to train on or to score.
  ///
  /// - Parameters:
  ///   - tokens: as many ids as a window of the step has.
  ///   - targets: the target id at each position; -1 where none is scored.
  ///   - documentStarts: the position where each token's document begins; nil if all tokens are one
  ///     document.
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

  /// Clears row `row` of the next micro-batch, so that it adds nothing to losses and gradients.
  public func clear(row: Int) {
    batch.clear(row: row, tokens: step.shape.tokens)
    prefix?.clear(row: row)
  }

  /// Starts an optimizer step.
  ///
  /// - Parameter scoredTokens: the number of scored targets in all micro-batches of the step; the
  ///   gradient is that of their mean loss, and zero if there are none.
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

  /// Runs forward and backward on the filled rows.
  ///
  /// - Returns: the sum of the losses of scored targets, in nats.
  public func runMicroBatch() -> Double {
    prepare()
    training.run(.body)
    return lossSum(bound.trainingLosses)
  }

  /// Loads what the step's own program reads: embedding rows and the frozen blocks' outputs.
  private func prepare() {
    if let prefix {
      prefix.prepare()
    } else {
      bound.embedding?.load(batch.tokens)
    }
  }

  /// Updates the parameters.
  ///
  /// - Returns: the gradient's norm before clipping.
  public func finishStep() -> Double {
    training.run(.finish)
    return Double(bound.updateInputs?.hyper[HyperSlot.gradientNorm] ?? 0)
  }

  /// The sum of the losses of the filled rows, in nats.
  public func score() -> Double {
    runValidation()
    return lossSum(bound.validationLosses)
  }

  /// The sum of the losses of each filled row, in nats.
  package func scoreRows() -> [Double] {
    runValidation()
    let tokens = step.shape.tokens
    return (0..<step.shape.windows).map { row in
      lossSum(.init(rebasing: bound.validationLosses[row * tokens..<(row + 1) * tokens]))
    }
  }

  /// The loss of each scored target of the filled rows in nats, [windows · tokens]; 0 where none is.
  /// Valid until the next call.
  package func scoreTokens() -> UnsafeBufferPointer<Float> {
    runValidation()
    return UnsafeBufferPointer(bound.validationLosses)
  }

  private func runValidation() {
    prepare()
    // Parameters may have changed by an update or a restored state: what depends on them, the row
    // scales, is recomputed.
    bound.validation.run(.begin)
    bound.validation.run(.body)
  }

  private func lossSum(_ losses: UnsafeMutableBufferPointer<Float>) -> Double {
    losses.reduce(0) { $0 + Double($1) }
  }
}

extension Session {
  /// Seconds by phase since the step began; the prefix, computed or read, counts as forward.
  var profile: StepProfile {
    var profile = training.profile
    profile.forward += prefix?.seconds ?? 0
    return profile
  }

  /// Runs one micro-batch on the filled rows, and the updates, and times each kernel.
  func profileStep() -> [KernelProfile] {
    if prefix == nil { bound.embedding?.load(batch.tokens) }
    let below = prefix?.profile() ?? []
    return below + [StepPart.begin, .body, .finish].flatMap { training.profile($0) }
  }

  /// The micro-batches that the frozen blocks have been computed for, to train on or to score.
  var prefixComputing: MeanTime { prefix?.computing ?? MeanTime() }

  /// How many of the next windows of a text the frozen blocks have to be computed for; 0 where no
  /// blocks are split off.
  func prefixesToCompute(ofNext count: Int, in text: TokenStream) -> Int {
    prefix?.uncached(ofNext: count, in: text) ?? 0
  }

  /// How many micro-batches the frozen blocks have been computed for, to train on or to score.
  package var prefixRuns: Int { prefixComputing.count }

  /// Warnings of caches that failed since the last call, one sentence each; the session goes on
  /// without these caches.
  public func takeWarnings() -> [String] { prefixCaches.compactMap { $0.takeWarning() } }
}
