/// What an analysis is asked for and may cost.
public struct AnalysisSettings: Hashable, Sendable {
  /// The price as a share of the planned run's arithmetic.
  public var share: Double
  /// Measure contributions; off: a control that shows what they are worth.
  public var measuresContributions: Bool
  /// Decide by joint probes; off: the first candidate is taken.
  public var probesJointly: Bool

  public init(
    share: Double = 0.2, measuresContributions: Bool = true, probesJointly: Bool = true
  ) {
    self.share = share
    self.measuresContributions = measuresContributions
    self.probesJointly = probesJointly
  }
}
