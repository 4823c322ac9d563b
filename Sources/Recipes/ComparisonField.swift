/// The methods of a comparison in the order they run, each with a unique label.
public struct ComparisonField: Hashable, Sendable {
  /// A method and its label in reports.
  public struct Member: Hashable, Sendable {
    public let entry: MethodEntry
    /// `entry.displayLabel`, with " #2" and so on appended if an earlier member has the same label.
    public let label: String
  }

  /// The recipe's own method first.
  public let members: [Member]
  /// The member that the others are compared with: LoRA of rank 8 on all linear maps if there is
  /// one (preferably a baseline rather than the recipe's own method), else the first baseline.
  public let reference: Int
  /// True if the recipe names no baselines and the default ones are used.
  public let isDefault: Bool

  /// The recipe's method and its baselines, or the default baselines where it names none.
  public init(_ recipe: Recipe) {
    isDefault = recipe.compare.isEmpty
    let baselines = isDefault ? Self.defaultBaselines(of: recipe) : recipe.compare
    let field = Self.labelled([recipe.method] + baselines)
    members = field
    let others = field.indices.dropFirst()
    func isUsual(_ index: Int) -> Bool { Self.isUsualLoRA(field[index].entry.method) }
    reference = others.first(where: isUsual) ?? (isUsual(0) ? 0 : others.first ?? 0)
  }

  /// The baselines of a recipe that names none: LoRA on all linear maps, LoRA as in the paper, full
  /// fine-tuning, the two controls of sparse training under the same budget, and gains only;
  /// without the recipe's own method.
  ///
  /// Each uses its method's automatic learning rate, since a rate fixed in the recipe was chosen
  /// for the recipe's method.
  public static func defaultBaselines(of recipe: Recipe) -> [MethodEntry] {
    let budget = recipe.method.method.settings.budget
    let methods: [MethodRecipe] = [
      .lora(LoRARecipe()), .lora(LoRARecipe(targets: .queryValue)), .full,
      .sparse(SparseRecipe(tensors: .last, budget: budget)),
      .sparse(SparseRecipe(tensors: .random, budget: budget)), .norms,
    ]
    return methods.filter { $0 != recipe.method.method }.map {
      MethodEntry($0, learningRate: .auto)
    }
  }

  /// Whether the method is LoRA of rank 8 on all linear maps, with any alpha.
  private static func isUsualLoRA(_ method: MethodRecipe) -> Bool {
    method.lora.map { $0.rank == 8 && $0.targets == .allLinear } ?? false
  }

  private static func labelled(_ entries: [MethodEntry]) -> [Member] {
    var taken: Set<String> = []
    return entries.map { entry in
      var label = entry.displayLabel
      var number = 2
      while !taken.insert(label).inserted {
        label = "\(entry.displayLabel) #\(number)"
        number += 1
      }
      return Member(entry: entry, label: label)
    }
  }
}
