import Storage

/// Gathers a run's events, as the event stream has them, into a row of a comparison.
public struct RunRecord: Sendable {
  /// The `start` event, null before it.
  public private(set) var start: JSONValue = .null
  private var done: JSONValue = .null
  private var flopsPerToken = 0.0
  private var analysisSeconds: Double?
  /// By step; a step that a resumed run does again takes the place of the first one.
  private var stepSeconds: [Int: Double] = [:]
  private var losses: [Int: Double] = [:]

  public init() {}

  /// Reads a run's event file. Lines that are no JSON, such as one that a crash cut off, are left out.
  /// - Throws: `StorageError` if the file can't be read.
  public init(eventFile path: String) throws(StorageError) {
    let file = try MappedFile(path: path)
    for line in file.bytes.split(separator: 0x0A) {
      if let event = try? JSONValue.decode(Array(line), source: path) { add(event) }
    }
  }

  /// Takes in the next event.
  public mutating func add(_ event: JSONValue) {
    switch event["type"]?.string {
    case "start": start = event
    case "plan": flopsPerToken = event["flops_per_token"]?.double ?? 0
    case "analysis":
      analysisSeconds = (analysisSeconds ?? 0) + (event["seconds"]?.double ?? 0)
    case "step":
      guard let step = event["step"]?.int else { return }
      stepSeconds[step] = event["step_seconds"]?.double ?? 0
    case "validation":
      guard let step = event["step"]?.int else { return }
      losses[step] = event["loss"]?.double
    case "done": done = event
    default: break
    }
  }

  /// The run as a row; nil before its `done` event.
  ///
  /// - Parameters:
  ///   - label: what the comparison calls the method.
  ///   - deltaBytes: the size of the best snapshot's delta.
  public func row(label: String, seed: Int, deltaBytes: Int?) -> ComparisonRow? {
    guard !done.isNull else { return nil }
    var row = ComparisonRow(method: start["method"]?.string ?? "", label: label, seed: seed)
    row.trainableParameters = start["trainable_parameters"]?.int ?? 0
    row.learningRate = start["learning_rate"]?.double ?? 0
    row.initialLoss = done["initial_validation_loss"]?.double
    row.finalLoss = done["final_validation_loss"]?.double
    row.bestLoss = done["best_validation_loss"]?.double
    row.tokens = done["tokens"]?.int ?? 0
    row.tokensPerSecond = done["tokens_per_second"]?.double ?? 0
    row.seconds = done["seconds"]?.double ?? 0
    row.plannedBytes = done["planned_bytes"]?.int ?? 0
    row.peakResidentBytes = done["peak_rss_bytes"]?.int ?? 0
    row.reason = done["reason"]?.string ?? "finished"
    row.deltaBytes = deltaBytes
    row.flopsPerToken = flopsPerToken
    row.analysisSeconds =
      analysisSeconds ?? done["analysis_seconds"]?.double ?? start["analysis_seconds"]?.double ?? 0
    row.trainingSeconds = stepSeconds.values.reduce(0, +)
    row.curve = curve(after: row.analysisSeconds)
    return row
  }

  /// Losses over the time of the steps before them, analysis in front.
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
