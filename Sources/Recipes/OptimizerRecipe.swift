import Storage

/// The optimizer and its settings.
public struct OptimizerRecipe: Hashable, Sendable {
  /// The optimizers that a recipe can name.
  public enum Rule: String, Hashable, Sendable, CaseIterable {
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    case adamw
    /// Stochastic gradient descent with momentum.
    case sgd
  }

  /// Element type of an optimizer's state; types other than f32 use stochastic rounding, so that
  /// small updates are kept on average.
  public enum StateType: String, Hashable, Sendable, CaseIterable {
    /// `int8` for tensors that are large enough for it to matter, `f32` for others.
    case auto
    case f32, bf16
    /// 8-bit floats with one scale per 256 elements.
    case int8
    /// Like `int8`, but the first moment has 4 bits.
    case int4
  }

  /// Element type of trained matrices; types other than f32 use stochastic rounding.
  public enum ParameterType: String, Hashable, Sendable, CaseIterable {
    case f32
    /// AdamW only.
    case bf16
    /// Integers with one scale per row.
    case int8
  }

  /// How steps of matrices in int8 are rounded; all but `stochastic` are controls.
  public enum Rounding: String, Hashable, Sendable, CaseIterable {
    case stochastic, nearest
    /// Towards zero.
    case truncate
  }

  public var type: Rule = .adamw
  public var learningRate: LearningRate = .auto
  /// AdamW only: decay of the first and second moment.
  public var betas: Betas = Betas(first: 0.9, second: 0.95)
  /// AdamW only: added to the root of the second moment.
  public var epsilon: Double = 1e-8
  /// AdamW only: element type of the moments.
  public var state = StateType.auto
  /// Element type of trained matrices.
  public var parameters = ParameterType.f32
  /// Parameters in int8 only.
  public var rounding = Rounding.stochastic
  /// Parameters in int8 only: whether steps are in units of the weights (quantisation-aware
  /// scaling) or of the integers.
  public var qas = true
  /// Whether the error of a step of int8 matrices goes into the momentum.
  public var eco = false
  /// SGD only; 0 keeps no state of matrices in int8.
  public var momentum: Double = 0
  public var weightDecay: Double = 0
  /// Maximum norm of the gradient over all trained tensors; longer gradients are scaled down to it.
  /// Nil for no clipping.
  public var clipNorm: Double? = 1

  public init(type: Rule = .adamw) { self.type = type }
}

/// A fixed learning rate, or one found by calibration before training.
public enum LearningRate: Hashable, Sendable {
  /// A higher one is a mistake.
  static let highest = 10.0

  case auto
  case fixed(Double)
}

/// AdamW's decay of the first and second moment, each in [0, 1).
public struct Betas: Hashable, Sendable {
  public let first: Double
  public let second: Double

  public init(first: Double, second: Double) {
    self.first = first
    self.second = second
  }
}

extension OptimizerRecipe: RecipeSection {
  mutating func visit(_ fields: RecipeFields) {
    let nonNegative = Interval(lower: 0, upper: 1e6)
    let decay = Interval(lower: 0, upper: 1, includesUpper: false)
    if !fields("type", &type, .choice()) { fields.ignoreRest() }
    fields("learning_rate", &learningRate, .learningRate(upTo: Self.controlRate))
    switch type {
    case .adamw:
      fields("betas", &betas, .betas)
      fields("epsilon", &epsilon, .number(Interval(lower: 0, upper: 1, includesLower: false)))
      fields("state", &state, .choice())
      fields("parameters", &parameters, .choice())
    case .sgd:
      fields("momentum", &momentum, .number(decay))
      fields("parameters", &parameters, .choice())
      if parameters == .bf16 {
        fields.report(
          "parameters",
          .mismatch(
            found: "\"bf16\"", expected: "'f32' or 'int8', which sgd has kernels for",
            suggestion: nil
          ))
      }
    }
    if parameters == .int8 {
      fields("rounding", &rounding, .choice())
      fields("qas", &qas, .bool)
    } else {
      fields.refuse(["rounding", "qas"], because: "means something with parameters 'int8' only")
    }
    if parameters == .int8, type == .sgd, momentum > 0 {
      fields("eco", &eco, .bool)
    } else {
      fields.refuse(
        ["eco"], because: "means something with sgd, momentum and parameters 'int8' only")
    }
    reportRate(to: fields)
    fields("weight_decay", &weightDecay, .number(nonNegative))
    let positive = Interval(lower: 0, upper: 1e6, includesLower: false)
    fields("clip_norm", &clipNorm, .optional(.number(positive)))
    fields.variants(of: "type", current: type.rawValue) { [type] in
      Rule.allCases.filter { $0 != type }.map { ($0.rawValue, OptimizerRecipe(type: $0).keys) }
    }
  }
}

extension OptimizerRecipe {
  /// Keys depend on the type, on whether parameters are int8, and on whether there is a momentum to
  /// carry errors.
  var forms: [RecipeForm] {
    let isInt8 = JSONValue.member("parameters", ["const": "int8"])
    let hasMomentum = JSONValue.member("momentum", ["exclusiveMinimum": 0])
    let isAdamW = JSONValue.member("type", ["const": "adamw"], isDefault: true)
    let isSGD = JSONValue.member("type", ["const": "sgd"])
    // As `reportRate`.
    let usual = JSONValue.member(
      "learning_rate", ["maximum": .int(Int(LearningRate.highest))], isDefault: true)
    let unlessControl: JSONValue = ["if": .member("qas", ["const": false]), "else": usual]
    let noBF16 = JSONValue.member("parameters", .not(["const": "bf16"]), isDefault: true)
    let sgd = OptimizerRecipe(type: .sgd)
    var int8 = (adamW: OptimizerRecipe(), sgd: sgd)
    (int8.adamW.parameters, int8.sgd.parameters) = (.int8, .int8)
    var carrying = int8.sgd
    // Any: a visit then names the key of the error, too.
    carrying.momentum = 0.9
    return [
      RecipeForm(
        condition: .both(isAdamW, .not(isInt8)), section: OptimizerRecipe(), conditions: [usual]),
      RecipeForm(
        condition: .both(isAdamW, isInt8), section: int8.adamW, defaults: OptimizerRecipe(),
        conditions: [unlessControl]),
      RecipeForm(
        condition: .both(isSGD, .not(isInt8)), section: sgd,
        conditions: [usual, noBF16]),
      RecipeForm(
        condition: .both(isSGD, .both(isInt8, .not(hasMomentum))), section: int8.sgd,
        defaults: sgd, conditions: [unlessControl]),
      RecipeForm(
        condition: .both(isSGD, .both(isInt8, hasMomentum)), section: carrying,
        defaults: sgd, conditions: [unlessControl]),
    ]
  }

  /// The type is one of those that there are.
  var conditions: [JSONValue] {
    [.member("type", .enumeration(Rule.allCases.map(\.rawValue)), isDefault: true)]
  }

  /// The highest rate of int8 matrices without `qas`, whose steps are multiplied by the square of a
  /// scale.
  private static let controlRate = 1e6

  /// Refuses a rate that is too high for anything else.
  private func reportRate(to fields: RecipeFields) {
    guard case .fixed(let rate) = learningRate, rate > LearningRate.highest,
      qas || parameters != .int8
    else { return }
    fields.report(
      "learning_rate",
      .mismatch(
        found: rate == rate.rounded() ? "\(Int(rate))" : "\(rate)",
        expected: RecipeKind<LearningRate>.learningRate.expected, suggestion: nil))
  }
}

extension RecipeKind<LearningRate> {
  static var learningRate: RecipeKind { learningRate(upTo: LearningRate.highest) }

  /// - Parameter highest: the highest rate that is read; what is expected is said to be the usual.
  static func learningRate(upTo highest: Double) -> RecipeKind {
    let interval = Interval(lower: 0, upper: highest, includesLower: false)
    let usual = Interval(lower: 0, upper: LearningRate.highest, includesLower: false)
    return leaf(
      "a number in \(usual) or 'auto'",
      schema: .anyOf([["const": "auto"], interval.schema]), words: ["auto"],
      { json in
        if json.string == "auto" { return .auto }
        return json.double.flatMap { interval.contains($0) ? .fixed($0) : nil }
      },
      write: {
        switch $0 {
        case .auto: "auto"
        case .fixed(let rate): .number(rate)
        }
      })
  }
}

extension RecipeKind<Betas> {
  static var betas: RecipeKind {
    let interval = Interval(lower: 0, upper: 1, includesUpper: false)
    return leaf(
      "two numbers in \(interval)",
      schema: ["type": "array", "items": interval.schema, "minItems": 2, "maxItems": 2],
      { json in
        let values = (json.array ?? []).compactMap(\.double).filter(interval.contains)
        guard json.array?.count == 2, values.count == 2 else { return nil }
        return Betas(first: values[0], second: values[1])
      }, write: { [.number($0.first), .number($0.second)] })
  }
}

/// The learning-rate schedule over the run: a linear warm-up to the full rate, then a decay to
/// `finalRatio` of it along the curve `type`.
public struct ScheduleRecipe: Hashable, Sendable, RecipeSection {
  /// The decay curves that a recipe can name.
  public enum Curve: String, Hashable, Sendable, CaseIterable {
    case cosine, linear
    /// Stays at the full rate; `finalRatio` is not used.
    case constant
  }

  public var type: Curve = .cosine
  public var warmupSteps = 20
  public var finalRatio = 0.1

  public init() {}

  mutating func visit(_ fields: RecipeFields) {
    fields("type", &type, .choice())
    fields("warmup_steps", &warmupSteps, .integer(0...1_000_000_000))
    fields("final_ratio", &finalRatio, .number(Interval(lower: 0, upper: 1)))
  }
}
