/// Estimates the remaining time of a comparison's runs from the finished ones.
public struct RemainingTime: Sendable {
  private var seconds: [String: [Double]] = [:]

  public init() {}

  /// Records a finished run.
  public mutating func add(_ label: String, seconds: Double) {
    self.seconds[label, default: []].append(seconds)
  }

  /// Estimated seconds for one more run of each label: the label's own mean so far, else the mean
  /// over all runs; nil before the first run has finished.
  public func estimate(_ labels: [String]) -> Double? {
    let all = SampleStatistics(seconds.values.flatMap { $0 })
    guard let overall = all.mean else { return nil }
    return labels.reduce(0) { sum, label in
      sum + (SampleStatistics(seconds[label] ?? []).mean ?? overall)
    }
  }
}
