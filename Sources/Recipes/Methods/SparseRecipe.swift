import Storage

/// Sparse back-propagation: only chosen tensors, or shares of their output rows, are updated.
public struct SparseRecipe: MethodSettings {
  static let type = "sparse"

  public var tensors: SparseTensors
  /// Cost limits of the chosen scheme. Nil for explicit patterns, which leave nothing to choose.
  public var budget: BudgetRecipe?

  /// The default budget of a choice: 60 % of a full step's arithmetic.
  public static let defaultBudget = BudgetRecipe(flopsShare: 0.6)

  /// Tensors chosen by contribution within the default budget.
  public init() { self.init(tensors: .auto) }

  public init(tensors: SparseTensors = .auto, budget: BudgetRecipe? = nil) {
    self.tensors = tensors
    self.budget = tensors.needsBudget ? budget ?? Self.defaultBudget : nil
  }

  var displayLabel: String { "sparse \(tensors.word)" }

  mutating func visit(_ fields: RecipeFields) {
    fields("tensors", &tensors, .sparseTensors)
    fields("budget", &budget, .optional(.section(BudgetRecipe())))
    budget = tensors.needsBudget ? budget ?? Self.defaultBudget : nil
  }

  func problems(at keyPath: String, names: [String], layers: Int) -> [RecipeProblem] {
    guard case .shares(let shares) = tensors else { return [] }
    return TensorPattern.validate(
      shares.map(\.pattern), at: "\(keyPath).tensors", names: names,
      spelledOut: names.contains("head") ? [] : ["head"], layers: layers)
  }
}

extension MethodRecipe {
  /// Chosen tensors, or shares of their output rows.
  public static func sparse(_ settings: SparseRecipe) -> MethodRecipe { MethodRecipe(settings) }

  /// The settings of sparse back-propagation; nil for other methods.
  public var sparse: SparseRecipe? { settings(as: SparseRecipe.self) }
}

/// Which tensors sparse back-propagation updates.
public enum SparseTensors: Hashable, Sendable {
  /// Chosen by measured contribution, within the budget.
  case auto
  /// A control: the uppermost tensors that fit the budget.
  case last
  /// A control: tensors drawn at random within the budget.
  case random
  /// Explicit patterns. If several match a tensor, the last one applies.
  case shares([PatternShare])

  /// True unless the patterns are explicit: the search for a choice needs a limit.
  public var needsBudget: Bool { if case .shares = self { false } else { true } }

  /// "auto", "last", "random" or "fixed".
  public var word: String {
    switch self {
    case .auto: "auto"
    case .last: "last"
    case .random: "random"
    case .shares: "fixed"
    }
  }
}

/// A pattern and the share of each matching tensor's output rows that is updated, in (0, 1].
public struct PatternShare: Hashable, Sendable {
  public let pattern: TensorPattern
  public let share: Double

  public init(pattern: TensorPattern, share: Double) {
    self.pattern = pattern
    self.share = share
  }
}

/// Cost limits of a training step; at least one is given.
public struct BudgetRecipe: Hashable, Sendable, RecipeSection {
  /// Planned peak memory in megabytes of 1,000,000 bytes.
  public var memoryMegabytes: Double?
  /// Floating-point operations of a step as a share of full fine-tuning's, in (0, 1].
  public var flopsShare: Double?

  public init(memoryMegabytes: Double? = nil, flopsShare: Double? = nil) {
    self.memoryMegabytes = memoryMegabytes
    self.flopsShare = flopsShare
  }

  /// The memory limit in bytes.
  public var memoryBytes: Int? { memoryMegabytes.map { Int($0 * 1_000_000) } }

  /// One of the limits is given.
  var conditions: [JSONValue] {
    [
      .anyOf(
        ["memory_mb", "step_flops", "step_time"].map { .member($0, ["type": "number"]) })
    ]
  }

  mutating func visit(_ fields: RecipeFields) {
    let memory = Interval(lower: 0, upper: 1e9, includesLower: false)
    fields("memory_mb", &memoryMegabytes, .optional(.number(memory)))
    fields("step_flops", formerly: "step_time", &flopsShare, .optional(.number(.share)))
    if fields.isValidSoFar, memoryMegabytes == nil, flopsShare == nil {
      fields.report(nil, .missing(expected: "'memory_mb', 'step_flops' or both"))
    }
  }
}

extension RecipeKind<SparseTensors> {
  /// A word, or an object of pattern → share.
  static var sparseTensors: RecipeKind {
    let words: [SparseTensors] = [.auto, .last, .random]
    let shares: JSONValue = [
      "type": "object", "minProperties": 1, "propertyNames": TensorPattern.schema,
      "additionalProperties": Interval.share.schema,
    ]
    let word = leaf(
      "'auto', 'last', 'random' or an object of pattern: share",
      schema: .anyOf([.enumeration(words.map(\.word)), shares]), words: words.map(\.word),
      { json in words.first { $0.word == json.string } }, write: { .string($0.word) })
    return RecipeKind(
      expected: word.expected, schema: word.schema(),
      read: { json, keyPath, context in
        guard let object = json.object, !object.isEmpty else {
          return word.read(json, keyPath, context)
        }
        return Self.shares(object, keyPath, context)
      },
      write: { tensors in
        guard case .shares(let shares) = tensors else { return word.write(tensors) }
        return .object(JSONObject(shares.map { ($0.pattern.text, .number($0.share)) }))
      })
  }

  private static func shares(
    _ object: JSONObject, _ keyPath: String, _ context: RecipeContext
  ) -> SparseTensors? {
    var shares: [PatternShare] = []
    for member in object.members {
      let pattern = TensorPattern.read(member.key, at: keyPath, context)
      guard let share = member.value.double, Interval.share.contains(share) else {
        context.report(
          keyPath, subject: member.key,
          .mismatch(
            found: member.value.excerpt, expected: "a share in \(Interval.share)", suggestion: nil))
        continue
      }
      if let pattern { shares.append(PatternShare(pattern: pattern, share: share)) }
    }
    return shares.count == object.count ? .shares(shares) : nil
  }
}

extension TensorPattern {
  /// Reads a pattern of a recipe; reports an invalid one and returns nil.
  static func read(
    _ text: String, at keyPath: String, _ context: RecipeContext
  ) -> TensorPattern? {
    do {
      return try TensorPattern(parse: text)
    } catch {
      guard case .pattern(_, let reason) = error else { return nil }
      context.report(keyPath, subject: text, .invalid(reason: reason))
      return nil
    }
  }
}
