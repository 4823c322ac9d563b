import Records

extension AnalysisResult {
  /// The result in the form of `contributions.json`.
  public var record: AnalysisRecord {
    var record = AnalysisRecord()
    record.key = key
    record.baseLoss = table.baseLoss
    record.lastBlockLoss = table.lastBlockLoss
    record.noise = table.noise
    record.heldOut = heldOut
    record.probe = probe
    record.tensors = tensors.map(self.record)
    record.candidates = candidates.map(\.record)
    record.scheme = chosen?.candidate.scheme ?? [:]
    record.method = chosen?.candidate.method?.recipe
    record.chosen = chosen?.candidate.label ?? ""
    record.learningRate = chosen?.learningRate
    record.rateConstant = rateConstant
    record.calibration = calibration?.record ?? []
    record.predictedGain = predictedGain
    record.measuredGain = measuredGain
    record.budget = AnalysisRecord.Budget(memoryBytes: budget.bytes, flopsShare: budget.flopsShare)
    record.flopsShare = chosen?.candidate.cost.flopsShare
    record.plannedBytes = chosen?.candidate.cost.bytes ?? 0
    record.initialValidationLoss = initialValidationLoss
    record.seconds = seconds
    return record
  }

  private var probe: AnalysisRecord.Probe {
    var probe = AnalysisRecord.Probe()
    probe.steps = plan.contributionSteps
    probe.learningRate = calibration?.rate
    probe.seconds = seconds
    probe.firstSteps = plan.firstSteps
    probe.finalSteps = plan.finalSteps
    probe.probes = probes
    probe.priceShare = priceShare
    return probe
  }

  private func record(_ facts: TensorFacts) -> AnalysisRecord.Tensor {
    let contribution = table.contributions.first { $0.path == facts.path }
    let gradient = gradients[facts.path]
    var tensor = AnalysisRecord.Tensor(name: facts.path)
    tensor.share = facts.share
    tensor.score = contribution.map(table.score)
    tensor.gain = contribution?.gain
    tensor.gainAlone = contribution?.gainAlone
    tensor.isMeasured = contribution?.isMeasured ?? false
    tensor.flops = facts.flops
    tensor.bytes = facts.bytes
    tensor.fisher = gradient?.fisher
    tensor.gradient = gradient?.absolute
    tensor.gradientUpdate = gradient?.update
    return tensor
  }
}

extension CandidateResult {
  var record: AnalysisRecord.Candidate {
    var record = AnalysisRecord.Candidate(label: candidate.label)
    record.isChosen = isChosen
    record.learningRate = learningRate
    record.rounds = rounds.map { AnalysisRecord.Round(steps: $0.steps, loss: $0.loss) }
    record.flopsShare = candidate.cost.flopsShare
    record.plannedBytes = candidate.cost.bytes
    record.scheme = candidate.scheme
    record.method = candidate.method?.recipe
    return record
  }
}

extension RateCalibration {
  /// The calibration's runs in ascending order of their rates.
  public var record: [CalibrationPoint] {
    points.map { CalibrationPoint(rate: $0.rate, loss: $0.loss) }
  }
}
