/// Text that the run must not forget: its loss is measured with every validation, and only snapshots
/// within the limit are kept as the best.
public struct GuardRecipe: Hashable, Sendable, RecipeSection {
  /// Files, folders or globs.
  public var data: [RecipePath]
  /// By how much the loss may rise above the base's, in nats per token.
  public var maxLossIncrease = 0.1

  public init(data: [RecipePath]) { self.data = data }

  mutating func visit(_ fields: RecipeFields) {
    fields.required("data", &data, .paths)
    fields(
      "max_loss_increase", &maxLossIncrease,
      .number(Interval(lower: 0, upper: 100, includesLower: false)))
  }
}
