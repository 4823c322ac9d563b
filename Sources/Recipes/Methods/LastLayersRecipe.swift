/// Trains all tensors of the uppermost `count` layers, and the final norm.
public struct LastLayersRecipe: MethodSettings {
  static let type = "last_layers"

  public var count: Int
  /// Also train the head (the embedding if they are tied).
  public var trainHead: Bool

  /// The uppermost two layers without the head.
  public init() { self.init(count: 2) }

  public init(count: Int, trainHead: Bool = false) {
    self.count = count
    self.trainHead = trainHead
  }

  var displayLabel: String { count == 1 ? "last layer" : "last \(count) layers" }

  mutating func visit(_ fields: RecipeFields) {
    fields("count", &count, .integer(1...4096))
    fields("train_head", &trainHead, .bool)
  }

  func problems(at keyPath: String, names: [String], layers: Int) -> [RecipeProblem] {
    RecipeProblem.tooManyBlocks(count, of: layers, at: keyPath)
  }
}

extension MethodRecipe {
  /// The uppermost layers.
  public static func lastLayers(_ settings: LastLayersRecipe) -> MethodRecipe {
    MethodRecipe(settings)
  }
}
