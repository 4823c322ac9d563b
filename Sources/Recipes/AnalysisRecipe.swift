/// What may be measured before training, and what that may cost.
public struct AnalysisRecipe: Hashable, Sendable, RecipeSection {
  /// The price at most, as a share of the planned run's arithmetic; 0 measures nothing.
  public var share = 0.2
  /// Probe what single tensors gain. Off: a control.
  public var contributions = true
  /// Decide between candidates by training each shortly. Off: a control.
  public var jointProbes = true
  /// Let the output head be among the candidates' tensors.
  public var head = true

  public init() {}

  mutating func visit(_ fields: RecipeFields) {
    fields("share", &share, .number(Interval(lower: 0, upper: 1000)))
    fields("contributions", &contributions, .bool)
    fields("joint_probes", &jointProbes, .bool)
    fields("head", &head, .bool)
  }
}
