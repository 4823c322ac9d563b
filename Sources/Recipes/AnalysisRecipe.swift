/// Which measurements may precede training, and their cost limit.
public struct AnalysisRecipe: Hashable, Sendable, RecipeSection {
  /// Maximum cost as a share of the planned run's arithmetic; 0 measures nothing.
  public var share = 0.1
  /// Probe the gain of single tensors, which costs much and has not led to better choices; nil: only
  /// in an analysis for its own sake.
  public var contributions: Bool?
  /// Choose between candidates by training each of them briefly. Off: a control.
  public var jointProbes = true
  /// Include the output head among the candidates' tensors.
  public var head = true

  public init() {}

  mutating func visit(_ fields: RecipeFields) {
    fields("share", &share, .number(Interval(lower: 0, upper: 1000)))
    fields("contributions", &contributions, .optional(.bool))
    fields("joint_probes", &jointProbes, .bool)
    fields("head", &head, .bool)
  }
}
