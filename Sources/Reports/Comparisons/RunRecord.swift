import Records
import Storage

/// Collects a run's events into a row of a comparison.
public struct RunRecord: Sendable {
  /// The `start` event; nil before it arrives.
  public private(set) var start: RunDescription?
  private var done: RunSummary?
  private var flopsPerToken = 0.0
  private var analysisSeconds: Double?
  /// Seconds by step; a step repeated by a resumed run replaces the earlier one.
  private var stepSeconds: [Int: Double] = [:]
  private var losses: [Int: Double] = [:]

  public init() {}

  /// Reads a run's event file. Lines that are not events, such as one cut off by a crash, are
  /// skipped.
  /// - Throws: `StorageError` if the file can't be read.
  public init(eventFile path: String) throws(StorageError) {
    let file = try MappedFile(path: path)
    for line in file.bytes.split(separator: 0x0A) {
      if let json = try? JSONValue.decode(Array(line), source: path), let event = RunEvent(json) {
        add(event)
      }
    }
  }

  /// Adds the next event.
  public mutating func add(_ event: RunEvent) {
    switch event {
    case .start(let run): start = run
    case .plan(_, let flopsPerToken, _): self.flopsPerToken = flopsPerToken
    case .analysis(let measured): analysisSeconds = (analysisSeconds ?? 0) + measured.seconds
    case .step(let report): stepSeconds[report.step] = report.seconds
    case .validation(let step, let loss, _, _): losses[step] = loss.isFinite ? loss : nil
    case .done(let summary): done = summary
    case .memory, .lossGuard, .snapshot, .warning, .sample, .profile: break
    }
  }

  /// The run as a row; nil before its `done` event.
  ///
  /// - Parameters:
  ///   - label: the method's label in the comparison.
  ///   - deltaBytes: the size of the best snapshot's delta.
  public func row(label: String, seed: Int, deltaBytes: Int?) -> ComparisonRow? {
    guard let done else { return nil }
    var row = ComparisonRow(method: start?.method ?? "", label: label, seed: seed)
    row.trainableParameters = start?.trainableParameters ?? 0
    row.learningRate = start?.learningRate ?? 0
    row.initialLoss = done.initialValidationLoss
    row.finalLoss = done.finalValidationLoss
    row.bestLoss = done.bestValidationLoss
    row.tokens = done.tokens
    row.tokensPerSecond = done.tokensPerSecond
    row.seconds = done.seconds
    row.plannedBytes = done.plannedBytes
    row.peakResidentBytes = done.peakResidentBytes
    row.reason = done.reason
    row.deltaBytes = deltaBytes
    row.flopsPerToken = flopsPerToken
    row.analysisSeconds = analysisSeconds ?? start?.analysisSeconds ?? 0
    row.trainingSeconds = stepSeconds.values.reduce(0, +)
    row.curve = curve(after: row.analysisSeconds)
    return row
  }

  /// Losses over training time: the steps before each validation, plus the analysis.
  private func curve(after analysisSeconds: Double) -> LossCurve {
    var seconds = analysisSeconds
    var steps = stepSeconds.sorted { $0.key < $1.key }[...]
    return LossCurve(
      losses.sorted { $0.key < $1.key }.map { step, loss in
        while let first = steps.first, first.key <= step {
          seconds += first.value
          steps.removeFirst()
        }
        return LossCurve.Point(seconds: seconds, loss: loss)
      })
  }
}
