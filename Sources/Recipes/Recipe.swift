import Storage

/// A fine-tuning job as a value: everything besides the files that determines its losses.
public struct Recipe: Hashable, Sendable {
  /// The checkpoint to start from.
  public var model: RecipePath
  /// Deltas of the checkpoint that training starts from, added up.
  public var deltas: [RecipePath] = []
  /// The folder of the run's output.
  public var output: RecipePath
  /// Seed of every random stream: window order, initial factors, sampling.
  public var seed: Int = 0
  public var data: DataRecipe
  public var method = MethodEntry(.auto())
  /// Baselines trained on the same batches.
  public var compare: [MethodEntry] = []
  /// Which measurements may precede training.
  public var analysis = AnalysisRecipe()
  /// Text that must not be forgotten; nil for none.
  public var lossGuard: GuardRecipe?
  public var optimizer = OptimizerRecipe()
  public var schedule = ScheduleRecipe()
  /// Nil for training without differential privacy.
  public var privacy: PrivacyRecipe?
  public var run = RunRecipe()

  /// A recipe with defaults for everything but its paths.
  public init(model: RecipePath, output: RecipePath, train: [RecipePath]) {
    self.model = model
    self.output = output
    self.data = DataRecipe(train: train)
  }

  /// The recipe as JSON with all defaults and overrides filled in and absolute paths. Written to a
  /// file, it loads as an equal recipe.
  public var resolvedJSON: JSONValue { json }
}

extension Recipe: RecipeSection {
  /// What is early, and what is guarded, needs held-out text; what is private, decisions that do not
  /// look at the text.
  var conditions: [JSONValue] {
    let holdsNothingOut = JSONValue.member("data", .member("validation", ["const": 0]))
    let neverValidates = JSONValue.member("run", .member("validate_every", ["const": 0]))
    let stopsEarly = JSONValue.member("run", .member("early_stopping", ["type": "integer"]))
    return [
      ["if": .anyOf([holdsNothingOut, neverValidates]), "then": .not(stopsEarly)],
      ["if": holdsNothingOut, "then": .not(.member("guard", ["type": "object"]))],
      ["if": .member("privacy", ["type": "object"]), "then": Self.privateDecisions],
    ]
  }

  /// A method that is named, with its tensors, and a rate that is given, by the method or for all. Shares
  /// of rows and products of batch and accumulation are beyond a schema.
  private static var privateDecisions: JSONValue {
    func method(_ schema: JSONValue) -> JSONValue { .member("method", schema) }
    let isAutomatic = JSONValue.anyOf([
      .member("type", ["const": "auto"]),
      .both(
        .member("type", ["const": "sparse"]),
        .member("tensors", ["const": "auto"], isDefault: true)),
    ])
    let rate = "learning_rate"
    let isGivenForAll = JSONValue.both(
      .member("optimizer", .member(rate, ["type": "number"])),
      .not(method(.member(rate, ["const": "auto"]))))
    return .both(
      method(.not(isAutomatic)),
      .anyOf([method(.member(rate, ["type": "number"])), isGivenForAll]))
  }

  mutating func visit(_ fields: RecipeFields) {
    fields.note("$schema", .string)
    fields.required("model", &model, .path)
    fields("deltas", &deltas, .list(.path))
    fields.required("output", &output, .path)
    fields("seed", &seed, .integer(0...Int.max))
    fields.required("data", &data, .section(DataRecipe(train: [])))
    fields("method", &method, .section(method))
    fields("compare", &compare, .list(.section(MethodEntry(.sparse(control)))))
    fields("analysis", &analysis, .section(analysis))
    fields("guard", &lossGuard, .optional(.section(GuardRecipe(data: []))))
    fields("optimizer", &optimizer, .section(optimizer))
    fields("schedule", &schedule, .section(schedule))
    fields("run", &run, .section(run))
    fields("privacy", &privacy, .optional(.section(PrivacyRecipe())))
    checkPrivacy(fields)
    if lossGuard != nil, data.validation == .fraction(0) {
      fields.report("guard", .invalid(reason: "needs held-out text: 'data.validation' above 0"))
    }
    let neverValidates = run.validateEvery == 0 || data.validation == .fraction(0)
    if case .after = run.earlyStopping, neverValidates {
      let reason = "needs validations: 'run.validate_every' and 'data.validation' above 0"
      fields.report("run.early_stopping", .invalid(reason: reason))
    }
  }

  /// Sparse controls in `compare` share the method's budget unless they name one.
  private var control: SparseRecipe {
    SparseRecipe(budget: method.method.settings.budget)
  }

  /// A key path of a recipe whose last key is `key`, for suggestions; one with a default value is
  /// preferred to an optional one.
  static func keyPath(endingWith key: String) -> String? {
    let nowhere = RecipePath("/", relativeTo: "/")
    var found: [(path: String, isNull: Bool)] = []
    func search(_ json: JSONValue, _ place: String) {
      for member in json.object?.members ?? [] {
        let path = join(place, member.key)
        if member.key == key { found.append((path, member.value.isNull)) }
        search(member.value, path)
      }
    }
    search(Recipe(model: nowhere, output: nowhere, train: []).json, "")
    return (found.first { !$0.isNull } ?? found.first)?.path
  }
}

extension Recipe {
  /// Problems of the recipe with a particular model: patterns that match none of its tensors, or
  /// more last layers than it has. For `RecipeError.problems`.
  ///
  /// - Parameters:
  ///   - names: the model's tensors, as `ModelConfiguration.parameters` names them.
  ///   - layers: how many layers the model has.
  public func problems(names: [String], layers: Int) -> [RecipeProblem] {
    let entries =
      [("method", method)] + compare.indices.map { ("compare[\($0)]", compare[$0]) }
    return entries.flatMap { keyPath, entry in
      entry.method.settings.problems(at: keyPath, names: names, layers: layers)
    }
  }
}
