import Storage

/// What is trained, and how: the recipe's `method`, or an entry of `compare`.
public enum MethodRecipe: Hashable, Sendable {
  /// Every parameter.
  case full
  /// Chosen tensors, or shares of their output rows (sparse back-propagation).
  case sparse(SparseRecipe)
  /// The uppermost layers.
  case lastLayers(LastLayersRecipe)
  /// The gains of all normalisations.
  case norms
  /// Low-rank factors beside frozen matrices (Hu et al. 2021).
  case lora(LoRARecipe)

  /// The word that stands for the method in recipes and event streams.
  public var type: MethodType {
    switch self {
    case .full: .full
    case .sparse: .sparse
    case .lastLayers: .lastLayers
    case .norms: .norms
    case .lora: .lora
    }
  }

  /// The method of a type with all of its defaults.
  public init(_ type: MethodType) {
    switch type {
    case .full: self = .full
    case .sparse: self = .sparse(SparseRecipe())
    case .lastLayers: self = .lastLayers(LastLayersRecipe())
    case .norms: self = .norms
    case .lora: self = .lora(LoRARecipe())
    }
  }
}

/// `type` of a method.
public enum MethodType: String, Hashable, Sendable, CaseIterable {
  case full, sparse
  case lastLayers = "last_layers"
  case norms, lora
}

/// A method with what any method may say besides: its own learning rate and its label.
public struct MethodEntry: Hashable, Sendable {
  public var method: MethodRecipe
  /// In place of `optimizer.learning_rate`: methods want rates of their own.
  public var learningRate: LearningRate?
  /// What reports call the method; nil for a name made from its settings.
  public var label: String?

  public init(
    _ method: MethodRecipe, learningRate: LearningRate? = nil, label: String? = nil
  ) {
    self.method = method
    self.learningRate = learningRate
    self.label = label
  }

  /// The label, or a short name made from the settings: "lora r8", "lora r8 qv", "last 2 layers".
  public var displayLabel: String {
    if let label { return label }
    switch method {
    case .full: return "full"
    case .norms: return "norms"
    case .sparse(let sparse): return "sparse \(sparse.tensors.word)"
    case .lastLayers(let last): return last.count == 1 ? "last layer" : "last \(last.count) layers"
    case .lora(let lora):
      return "lora r\(lora.rank)" + (lora.targets.shortName.map { " " + $0 } ?? "")
    }
  }
}

extension MethodEntry: RecipeSection {
  mutating func visit(_ fields: RecipeFields) {
    var type = method.type
    guard fields.required("type", &type, .choice()) else { return fields.ignoreRest() }
    if type != method.type { method = MethodRecipe(type) }
    switch method {
    case .full, .norms: break
    case .sparse(var sparse):
      sparse.visit(fields)
      method = .sparse(sparse)
    case .lastLayers(var last):
      last.visit(fields)
      method = .lastLayers(last)
    case .lora(var lora):
      lora.visit(fields)
      method = .lora(lora)
    }
    fields("learning_rate", &learningRate, .optional(.learningRate))
    fields("label", &label, .optional(.nonEmptyString))
    fields.variants(of: "type", current: type.rawValue) {
      MethodType.allCases.filter { $0 != type }.map {
        ($0.rawValue, MethodEntry(MethodRecipe($0)).keys)
      }
    }
  }
}

/// Trains the uppermost `count` layers with all of their tensors, and the last norm.
public struct LastLayersRecipe: Hashable, Sendable, RecipeSection {
  public var count: Int
  /// The head as well (the embedding where they are tied).
  public var trainHead: Bool

  public init(count: Int = 2, trainHead: Bool = false) {
    self.count = count
    self.trainHead = trainHead
  }

  mutating func visit(_ fields: RecipeFields) {
    fields("count", &count, .integer(1...4096))
    fields("train_head", &trainHead, .bool)
  }
}
