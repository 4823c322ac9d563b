import Records

/// Records with every value set to something that no default is.
enum RecordSamples {
  static let forecast: MemoryForecast = {
    var forecast = MemoryForecast()
    (forecast.weights, forecast.activations, forecast.gradients) = (1, 2, 3)
    (forecast.optimizer, forecast.workspace, forecast.runtime) = (4, 50, 6)
    (forecast.measuring, forecast.arena) = (7, 8)
    return forecast
  }()

  static let description = RunDescription(
    model: "m.sfckpt", method: "sparse", label: "sparse \"auto\"", choice: "two\nlines",
    trainableParameters: 1, totalParameters: 2, steps: 3, threads: 4, instructionSet: "avx2",
    precision: "f32", version: "1", learningRate: 0.1, frozenBlocks: 5, prefixCacheBytes: 6,
    analysisSeconds: 7.5,
    text: TextAmounts(
      sequenceLength: 16, trainedTokens: 81, trainedDocuments: 2, trainedWindows: 5,
      droppedTokens: 3, heldOutTokens: 9, heldOutDocuments: 1),
    machine: MachineRecord(processor: "a CPU", cores: 2, memoryBytes: 1 << 30))

  static let schedule: MemorySchedule = {
    var schedule = MemorySchedule(
      positions: 9, arenaBytes: 4096, persistentBytes: 64,
      peak: .init(position: 3, bytes: 4000, kernel: "linear_f32"))
    schedule.phases = [.init(name: "forward", first: 0), .init(name: "backward", first: 4)]
    schedule.buffers = [
      .init(name: "layers[0].x", kind: "activation", offset: 64, byteCount: 128, first: 1, last: 8)
    ]
    (schedule.leftOut, schedule.live) = (3, [64, 4000, 64])
    return schedule
  }()

  static let times = KernelTimes([
    .init(phase: "backward", name: "linear_f32", calls: 4, seconds: 0.25, flops: 1 << 20)
  ])

  static let step: StepReport = {
    var step = StepReport(step: 9)
    (step.epoch, step.loss, step.learningRate, step.gradientNorm) = (0.5, 3.25, 1e-3, 2.5)
    (step.tokens, step.seconds) = (96, 0.03)
    step.phases = PhaseSeconds(data: 0.001, forward: 0.01, backward: 0.015, update: 0.004)
    (step.residentBytes, step.peakResidentBytes, step.plannedBytes) = (10, 11, 12)
    (step.elapsedSeconds, step.etaSeconds) = (1.5, 2.5)
    step.joules = 0.75
    return step
  }()

  static let guarded = GuardReport(step: 4, loss: 3.5, initialLoss: 3.25, maxIncrease: 0.125)

  static let summary: RunSummary = {
    var summary = RunSummary()
    (summary.steps, summary.tokens) = (3, 96)
    (summary.initialValidationLoss, summary.finalValidationLoss) = (5, 4.5)
    summary.bestValidationLoss = 4
    (summary.tokensPerSecond, summary.seconds) = (10.5, 9.25)
    (summary.peakResidentBytes, summary.plannedBytes) = (110, 100)
    summary.reason = .earlyStopping
    (summary.joulesPerToken, summary.lossGuard) = (0.5, guarded)
    return summary
  }()

  static let calibration = CalibrationRecord(
    key: "ab", learningRate: 0.003,
    calibration: [.init(rate: 0.001, loss: 3), .init(rate: 0.01, loss: .infinity)], seconds: 1.5)

  static let analysis: AnalysisRecord = {
    var record = AnalysisRecord()
    (record.key, record.heldOut, record.chosen) = ("cd", "48 windows", "the last block")
    (record.baseLoss, record.lastBlockLoss, record.noise) = (5, 4.5, 0.01)
    record.probe.steps = 8
    record.probe.learningRate = 0.01
    (record.probe.seconds, record.probe.priceShare) = (2.5, 0.2)
    (record.probe.firstSteps, record.probe.finalSteps, record.probe.probes) = (20, 50, 30)
    var tensor = AnalysisRecord.Tensor(name: "layers[0].mlp.up")
    (tensor.share, tensor.flops, tensor.bytes, tensor.isMeasured) = (0.5, 1024, 4096, true)
    (tensor.score, tensor.gain, tensor.gainAlone) = (0.1, 0.2, 0.3)
    (tensor.fisher, tensor.gradient, tensor.gradientUpdate) = (9.5, 10.5, 11.5)
    record.tensors = [tensor, .init(name: "head")]
    var candidate = AnalysisRecord.Candidate(label: "the last block")
    (candidate.isChosen, candidate.learningRate, candidate.flopsShare) = (true, 0.01, 0.7)
    candidate.plannedBytes = 1 << 20
    candidate.rounds = [.init(steps: 20, loss: 4), .init(steps: 50, loss: .infinity)]
    candidate.scheme = ["layers[1].mlp.up": 0.25, "head": 1]
    var rival = AnalysisRecord.Candidate(label: "LoRA of rank 8")
    rival.method = ["type": "lora", "rank": 8]
    record.candidates = [candidate, rival]
    (record.scheme, record.method) = (candidate.scheme, rival.method)
    (record.learningRate, record.rateConstant) = (0.01, 32)
    record.calibration = calibration.calibration
    (record.predictedGain, record.measuredGain) = (0.4, 0.5)
    record.budget = .init(memoryBytes: 1 << 21, flopsShare: 0.8)
    (record.flopsShare, record.plannedBytes, record.initialValidationLoss) = (0.7, 1 << 20, 5.5)
    record.seconds = 3.5
    return record
  }()

  static let product = ProductRecord(
    kernel: "linear_f32", m: 8, n: 16, k: 32, chosen: "tiles by rows",
    seconds: [
      .init(variant: "OpenBLAS by rows", seconds: 2e-5),
      .init(variant: "tiles by rows", seconds: 1e-5),
    ])

  static let products: ProductsFile = {
    var file = ProductsFile()
    file["one CPU"] = MachineProducts(build: "1", products: [product])
    file["other CPU"] = MachineProducts(build: "2", products: [])
    return file
  }()

  static let decision = RunDecision(
    scheme: ["head": 0.5, "norm": 1], method: ["type": "lora", "rank": 8], learningRate: 0.01,
    products: [product], precision: precision)

  static let precision = PrecisionRecord(
    key: "0a", precision: "int8", keptInBF16: ["embedding", "layers[0].mlp.down"], bf16Loss: 2,
    int8Loss: 2.1, chosenLoss: 2.001, seconds: 1.5)

  static let progress: RunProgress = {
    var progress = RunProgress(
      BatchIdentity(
        sequenceLength: 16, tokensPerStep: 32, trainingTokens: 1000, seed: -1, shuffles: true))
    (progress.step, progress.trainingSeconds, progress.elapsedSeconds) = (3, 1.5, 2.5)
    (progress.initialValidationLoss, progress.bestValidationLoss) = (5, 4)
    (progress.lastValidationLoss, progress.validationsSinceBest) = (4.5, 2)
    (progress.initialGuardLoss, progress.lastGuardLoss) = (3.25, 3.5)
    (progress.lastGuardStep, progress.bestStep) = (3, 2)
    (progress.validationIsDue, progress.setbacks, progress.rateFactor) = (true, 1, 0.5)
    progress.noisySteps = 4
    return progress
  }()

  static let state = StateRecord(
    base: "ef", deltas: ["0d", "1d"], method: ["type": "sparse"], decision: decision,
    progress: progress,
    recipe: ["seed": 1], texts: TextHashes(training: "ab", validation: nil, lossGuard: "cd"))

  static let row: ComparisonRow = {
    var row = ComparisonRow(method: "lora", label: "lora r8", seed: 3)
    (row.trainableParameters, row.tokens) = (7, 96)
    (row.initialLoss, row.finalLoss, row.bestLoss) = (5, 4.5, 4)
    (row.tokensPerSecond, row.seconds) = (10.5, 9.5)
    (row.analysisSeconds, row.trainingSeconds) = (1.5, 7.5)
    (row.plannedBytes, row.peakResidentBytes, row.deltaBytes) = (100, 110, 55)
    (row.flopsPerToken, row.learningRate, row.reason) = (12, 0.003, .earlyStopping)
    row.curve = LossCurve([.init(seconds: 0, loss: 5), .init(seconds: 3, loss: 4)])
    return row
  }()

  static let comparison: ComparisonRecord = {
    let sample = SampleRecord(mean: 1, low: 0.5, high: 1.5)
    let spread = SampleRecord(
      mean: 2, low: nil, high: nil, standardDeviation: nil, hasSpread: true)
    var summary = SummaryRecord(
      label: "lora r8", method: "lora", seeds: 2, finalLoss: spread, bestLoss: spread,
      difference: spread, lossAtEqualTime: sample,
      timeToReferenceLoss: .init(mean: 4.5, seeds: 1, of: 2), timeRatio: sample)
    (summary.tokensPerSecond, summary.plannedBytes, summary.peakResidentBytes) = (10.5, 100, 110)
    (summary.trainableParameters, summary.deltaBytes) = (7, 55)
    (summary.analysisSeconds, summary.trainingSeconds, summary.seconds) = (1.5, 7.5, 9.5)
    var record = ComparisonRecord(
      isComplete: true, subject: "sparse auto", reference: "lora r8", counted: .best)
    record.rows = [row]
    record.summaries = [summary]
    record.leftOut = [.init(label: "full", seed: 1, reason: "does not fit")]
    record.verdict = VerdictRecord(
      text: "lora r8 wins here", outcome: .loss, method: "sparse auto", reference: "lora r8",
      counted: .best, difference: spread)
    return record
  }()

  static let evaluation = EvaluationRecord(
    tokens: 100, loss: 3.5, bytes: 400, tokensPerSecond: 1000.5, peakResidentBytes: 1 << 20,
    precision: "bf16")

  static let events: [RunEvent] = [
    .start(description), .plan(forecast, flopsPerToken: 12.5, fullFlopsPerToken: 25.5),
    .memory(schedule), .analysis(.contributions(analysis)), .analysis(.learningRate(calibration)),
    .step(step), .lossGuard(guarded),
    .validation(step: 4, loss: 3.5, best: true),
    .validation(
      step: 5, loss: 3.25, best: false, privacy: PrivacyLoss(epsilon: 2.5, delta: 1e-5)),
    .snapshot(step: 4, path: "run/best/trained.sfdelta", kind: .best),
    .snapshot(step: 5, path: "run/last/trained.sfdelta", kind: .last), .warning("mind the gap"),
    .sample(step: 0, prompt: "Once", text: " upon a time\n"), .profile(times),
    .done(summary),
  ]

  /// One of every kind.
  static let audit: AuditRecord = {
    var record = AuditRecord(
      delta: "ab", base: "cd", method: "sparse", sequenceLength: 16, trainWindows: 5,
      heldOutWindows: 6)
    record.span.text = "seen"
    record.span.places = [
      .init(
        tensors: ["layers[0].attention.value"], rows: 16, columns: 32, rank: 9, bound: 16,
        gap: 3.5, isApplicable: true)
    ]
    record.span.search = .init(
      length: 2, found: 8, real: 9, hits: 7, controlHits: 2, nearest: 10, nearestHits: 6,
      nearestControlHits: 3, threshold: 0.125)
    record.span.search?.leaks = true
    record.membership = MembershipRecord(
      members: 5, nonMembers: 6,
      measures: [
        .init(
          name: "loss", members: 4, nonMembers: 3, area: 0.75, low: 0.5, high: 1,
          truePositiveRate: 0.25, isControl: true)
      ])
    record.extraction = ExtractionRecord(
      prompt: 8, continuation: 8,
      rows: [
        .init(
          hasDelta: true, isTrained: true, windows: 5, greedy: 2,
          sampled: [.init(samples: 10, windows: 3)])
      ])
    record.exposure = ExposureRecord(
      candidates: 1024, rows: [.init(shadow: 1, repeats: 4, rank: 2, bits: 9)])
    (record.verdict, record.leaks, record.seconds) = (["it leaks"], true, 1.5)
    return record
  }()

  static let all: [any JSONRecord] =
    events + [
      description, forecast, schedule, times, step, summary, calibration, analysis, product,
      products, decision,
      progress.batches, progress, state, row, row.curve, comparison, evaluation, audit,
    ]
}
