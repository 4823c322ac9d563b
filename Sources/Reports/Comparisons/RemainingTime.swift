/// Estimates how long the runs of a comparison will still take from those that are done.
public struct RemainingTime: Sendable {
  private var seconds: [String: [Double]] = [:]

  public init() {}

  /// Takes note of a finished run.
  public mutating func add(_ label: String, seconds: Double) {
    self.seconds[label, default: []].append(seconds)
  }

  /// Seconds for one run of each label to come: its own mean so far, else the mean over all runs;
  /// nil before the first run is done.
  public func estimate(_ labels: [String]) -> Double? {
    let all = SampleStatistics(seconds.values.flatMap { $0 })
    guard let overall = all.mean else { return nil }
    return labels.reduce(0) { sum, label in
      sum + (SampleStatistics(seconds[label] ?? []).mean ?? overall)
    }
  }
}
