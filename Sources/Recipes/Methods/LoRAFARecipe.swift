import Tensors

/// Low-rank adaptation whose A stays as it is drawn; only B trains (LoRA-FA, Zhang et al. 2023).
public struct LoRAFARecipe: MethodSettings {
  static let type = "lora_fa"

  /// Rank, scale and targets.
  public var factors: LoRARecipe

  /// Rank 8 and alpha 16 on all linear maps.
  public init() { factors = LoRARecipe() }

  var displayLabel: String {
    factors.displayLabel.replacing("lora", with: "lora_fa", maxReplacements: 1)
  }

  mutating func visit(_ fields: RecipeFields) { factors.visit(fields) }

  func problems(at keyPath: String, names: [String], layers: Int) -> [RecipeProblem] {
    factors.problems(at: keyPath, names: names, layers: layers)
  }
}
