import Adaptations
import Checkpoints
import Compilation
import Datasets
import Execution
import Models
import Records
import Storage
import Tensors
import Training
import Weights

/// A tiny model that behaves like a trained one (calm logits), and text to train it on.
package struct TrainingFixture {
  package static let tokens = 12

  package let folder: TemporaryFolder
  package let checkpoint: Checkpoint
  package let pool: WorkerPool
  package var kernels: Kernels

  /// - Parameters:
  ///   - scale: the standard deviation of matrices' elements.
  ///   - change: changes the model's weights.
  package init(
    _ configuration: ModelConfiguration = TinyModel.configuration(),
    elementType: ElementType = .f32, threads: Int = 2, instructionSet: String? = nil,
    scale: Float = 0.2,
    change: (inout [String: [Float]], ModelConfiguration) -> Void = { _, _ in }
  ) throws {
    folder = try TemporaryFolder()
    pool = try WorkerPool(threads: threads)
    kernels = try instructionSet.map { (name) in try Kernels(named: name) } ?? .forThisMachine()
    var weights = TinyModel.weights(configuration)
    change(&weights, configuration)
    let values = weights
    let matrices = Set(configuration.parameters.filter(\.isMatrix).map(\.name))
    try CheckpointWriter.write(
      to: folder["model.sfckpt"], configuration: configuration,
      tokenizer: StoredTokenizer(
        kind: "sentencepiece", bytes: TinyModel.tokenizer(pieces: configuration.vocabularySize)),
      elementType: elementType
    ) { (name) throws(CheckpointError) in
      let values = values[name] ?? []
      return .values(values.map { matrices.contains(name) ? scale * $0 : 1 + 0.1 * $0 })
    }
    checkpoint = try Checkpoint.open(folder["model.sfckpt"])
  }

  package var configuration: ModelConfiguration { checkpoint.configuration }

  /// A stream with a pattern that can be learned, of the ids in `range`, in documents of 29.
  package static func text(windows: Int, ids range: Range<Int32> = 1..<20) -> TokenStream {
    let count = windows * tokens + 1
    var random = RandomSource(seed: 5)
    let ids = (0..<count).map { index -> Int32 in
      let period = (index * index + 3 * index) % 7
      let place = random.uniform() < 0.8 ? period : random.integer(below: range.count)
      return range.lowerBound + Int32(place % range.count)
    }
    return TokenStream(
      ids: ids, documentStarts: Array(stride(from: 0, to: count, by: 29)), bytes: 2 * count)
  }

  package static func settings(
    steps: Int, windows: Int = 4, accumulation: Int = 1, optimizer: Optimizer = .adamW(AdamW()),
    learningRate: Double = 1e-2, clipNorm: Double? = 1, warmupSteps: Int = 2, seed: UInt64 = 7,
    shuffles: Bool = true, validateEvery: Int = 0, saveEvery: Int = 0, patience: Int? = nil,
    precision: ProductPrecision = .f32, gates: GateStorage = .computed
  ) -> TrainingSettings {
    TrainingSettings(
      steps: steps, shape: BatchShape(windows: windows, tokens: tokens, accumulation: accumulation),
      optimizer: optimizer, precision: precision, gates: gates,
      clipNorm: clipNorm,
      schedule: LearningRateSchedule(
        curve: .cosine, peak: learningRate, warmupSteps: warmupSteps, finalRatio: 0.1,
        totalSteps: steps),
      seed: seed, shuffles: shuffles, validateEvery: validateEvery, saveEvery: saveEvery,
      patience: patience)
  }

  package func step(
    _ adaptation: some Adaptation, _ settings: TrainingSettings, weights: ModelWeights? = nil,
    splitsPrefix: Bool = true
  ) throws -> CompiledStep {
    let weights = try weights ?? ModelWeights(checkpoint)
    return try CompiledStep(
      weights.configuration, adaptation: adaptation, optimizer: settings.optimizer,
      clipNorm: settings.clipNorm, shape: settings.shape, precision: settings.precision,
      elementType: weights.elementType, splitsPrefix: splitsPrefix, gates: settings.gates)
  }

  package func session(
    _ adaptation: some Adaptation, _ settings: TrainingSettings, splitsPrefix: Bool = true
  ) throws -> Session {
    let weights = try ModelWeights(checkpoint)
    return try Session(
      try step(adaptation, settings, weights: weights, splitsPrefix: splitsPrefix),
      weights: weights, pool: pool, kernels: kernels, seed: settings.seed)
  }

  /// The store of a run; `method` stands for the recipe's.
  package func store(_ run: String, method: JSONValue = ["type": "test"]) throws -> SnapshotStore {
    try Folder.create(folder[run])
    return SnapshotStore(folder: folder[run], method: method, recipe: ["seed": 7])
  }

  /// Trains a method and opens the delta that it leaves.
  package func trainedDelta(
    _ adaptation: some Adaptation, steps: Int, validation: TokenStream? = nil, run: String = "run"
  ) throws -> (delta: Delta, record: RunRecord) {
    let store = try store(run)
    let record = try train(
      adaptation, Self.settings(steps: steps), validation: validation, store: store)
    return (try Delta.open(store.deltaPath(.last)), record)
  }

  /// Mean loss of a text under the base with deltas applied.
  package func loss(
    of text: TokenStream, deltas: [Delta] = [], settings: TrainingSettings = settings(steps: 1)
  ) throws -> Double {
    try loss(of: ModelWeights(checkpoint, deltas: deltas.map { ($0, 1) }), text, settings)
  }

  /// Mean loss of a text under another checkpoint.
  package func loss(of checkpoint: Checkpoint, text: TokenStream) throws -> Double {
    try loss(of: ModelWeights(checkpoint), text, Self.settings(steps: 1))
  }

  private func loss(
    of weights: ModelWeights, _ text: TokenStream, _ settings: TrainingSettings
  ) throws -> Double {
    let session = try Session(
      try step(weights.adaptation, settings, weights: weights), weights: weights, pool: pool,
      kernels: kernels, seed: 0)
    return Evaluator(session, text: text).meanLoss()
  }

  /// Paths of the matrices in blocks, but for value's.
  private func matrices(_ blocks: [String]) -> Set<String> {
    Set(
      configuration.parameters.filter { parameter in
        parameter.isMatrix && !parameter.name.hasSuffix(".value")
          && blocks.contains { parameter.name.hasPrefix($0) }
      }.map(\.name))
  }

  package func adaptation(_ method: TestMethod) -> any Adaptation {
    switch method {
    case .full: return FullAdaptation()
    case .sparse:
      return SparseAdaptation(scheme: ["layers[1].mlp.up": 1, "layers[0].attention.output": 1])
    case .rows:
      return SparseAdaptation(
        scheme: ["layers[1].mlp.up": 0.34, "layers[1].attention.query": 0.5, "norm": 1])
    case .lora, .loraFA:
      let targets = configuration.parameters.filter {
        $0.isMatrix && $0.name.hasPrefix("layers[")
      }
      return LoRAAdaptation(
        rank: 4, alpha: 8, targets: Set(targets.map(\.name)), freezesA: method == .loraFA)
    case .head: return SparseAdaptation(scheme: ["head": 1, "layers[1].mlp.up": 1])
    case .headRows:
      return SparseAdaptation(
        scheme: ["head": 0.4, "layers[1].mlp.up": 1],
        headRows: Self.text(windows: 16).rowsByFrequency(
          vocabularySize: configuration.vocabularySize))
    case .lastLayers: return LastLayersAdaptation(count: 1, layers: configuration.layers)
    case .norms: return NormsAdaptation()
    case .bias: return BiasAdaptation(matrices: matrices(["layers[0].", "layers[1]."]))
    case .ladder: return LadderAdaptation(width: 4, blocks: 1..<configuration.layers)
    case .tinyTL:
      return TinyTLAdaptation(
        units: 3, matrices: matrices(["layers[1]."]), blocks: 1..<configuration.layers)
    }
  }
}

/// What a run did.
package struct RunRecord {
  package let session: Session
  package let summary: RunSummary
  package let events: [RunEvent]

  /// The events in words: "step 3", "validation 2 best", "snapshot 4 last" ….
  package var timeline: [String] {
    events.map { event in
      switch event {
      case .start: "start"
      case .plan: "plan"
      case .memory: "memory"
      case .analysis: "analysis"
      case .step(let report): "step \(report.step)"
      case .validation(let step, _, let best, _): "validation \(step)" + (best ? " best" : "")
      case .lossGuard(let report): "guard \(report.step)"
      case .snapshot(let step, _, let kind): "snapshot \(step) \(kind.rawValue)"
      case .warning: "warning"
      case .sample(let step, _, _): "sample \(step)"
      case .profile: "profile"
      case .done: "done"
      }
    }
  }

  package var steps: [StepReport] {
    events.compactMap { if case .step(let report) = $0 { report } else { nil } }
  }

  package var losses: [Double] { steps.map(\.loss) }

  package var validations: [Double] {
    events.compactMap { if case .validation(_, let loss, _, _) = $0 { loss } else { nil } }
  }
}

extension TrainingFixture {
  /// Trains a method; `stopAfter` steps it is interrupted. `prefixCaches` makes those of the run.
  package func train(
    _ adaptation: some Adaptation, _ settings: TrainingSettings,
    text: TokenStream = text(windows: 16), validation: TokenStream? = nil,
    store: SnapshotStore? = nil, resuming: Bool = false, earlier: [StepReport] = [],
    stopAfter: Int = .max,
    splitsPrefix: Bool = true, prefixCaches: (CompiledStep) throws -> [PrefixCache] = { _ in [] }
  ) throws -> RunRecord {
    let session = try session(adaptation, settings, splitsPrefix: splitsPrefix)
    session.prefixCaches = try prefixCaches(session.step)
    var events: [RunEvent] = []
    var steps = 0
    let trainer = Trainer(
      session, settings: settings, text: text, validationText: validation, store: store,
      plannedBytes: 1000, earlier: earlier,
      observe: { event throws(TrainingError) in
        if case .step = event { steps += 1 }
        events.append(event)
      }, shouldStop: { steps >= stopAfter })
    let summary = try trainer.run(resuming: resuming)
    return RunRecord(session: session, summary: summary, events: events)
  }
}
