/// Which parts an analysis runs, and its price.
public struct AnalysisSettings: Hashable, Sendable {
  /// The price as a share of the planned run's arithmetic.
  public var share: Double
  /// Whether contributions are measured; off for a control that shows their value.
  public var measuresContributions: Bool
  /// Whether joint probes decide; if off, the first candidate is taken.
  public var probesJointly: Bool

  public init(
    share: Double = 0.1, measuresContributions: Bool = true, probesJointly: Bool = true
  ) {
    self.share = share
    self.measuresContributions = measuresContributions
    self.probesJointly = probesJointly
  }
}
