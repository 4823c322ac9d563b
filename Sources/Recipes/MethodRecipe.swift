import Storage

/// A fine-tuning method with its settings. Each method's file in `Methods` adds a factory here:
/// `.full`, `.lora(LoRARecipe())`.
public struct MethodRecipe: Hashable, Sendable {
  /// All methods, in the order in which messages name them.
  static let known: [any MethodSettings.Type] = [
    AutoRecipe.self, FullRecipe.self, SparseRecipe.self, LastLayersRecipe.self, NormsRecipe.self,
    BiasRecipe.self, TinyTLRecipe.self, LadderRecipe.self, LoRARecipe.self, LoRAFARecipe.self,
  ]

  /// The names of all methods, as recipes spell them.
  public static var types: [String] { known.map { $0.type } }

  var settings: any MethodSettings

  init(_ settings: any MethodSettings) { self.settings = settings }

  /// The named method with default settings; nil for an unknown name.
  public init?(type: String) {
    guard let settings = Self.known.first(where: { $0.type == type }) else { return nil }
    self.init(settings.init())
  }

  /// A method as a recipe spells it; nil for one that is not valid.
  public init?(_ json: JSONValue) {
    let context = RecipeContext(folder: "/")
    let entry = RecipeKind<MethodEntry>.section(MethodEntry(.full)).read(json, "method", context)
    guard let entry, context.problems.isEmpty else { return nil }
    self = entry.method
  }

  /// The method as a recipe spells it.
  public var json: JSONValue {
    var object = MethodEntry(self).json.object ?? JSONObject()
    for key in ["learning_rate", "label"] { object[key] = nil }
    return .object(object)
  }

  /// The method's name in recipes and event streams.
  public var type: String { Swift.type(of: settings).type }

  /// The settings as a method's own type, or as a protocol that another module makes the settings
  /// conform to; nil if they are of another type.
  public func settings<Settings>(as type: Settings.Type) -> Settings? { settings as? Settings }

  /// Whether the settings fit a model.
  ///
  /// - Parameters:
  ///   - names: the model's tensors, as `ModelConfiguration.parameters` names them.
  ///   - layers: how many layers the model has.
  public func isValid(names: [String], layers: Int) -> Bool {
    settings.problems(at: "method", names: names, layers: layers).isEmpty
  }

  public static func == (a: MethodRecipe, b: MethodRecipe) -> Bool {
    a.settings.hashable == b.settings.hashable
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(settings.hashable) }
}

/// The recipe's `method` or an entry of `compare`: a method with the settings common to all
/// methods, its own learning rate and its label.
public struct MethodEntry: Hashable, Sendable {
  public var method: MethodRecipe
  /// Overrides `optimizer.learning_rate`, since the best rate differs between methods.
  public var learningRate: LearningRate?
  /// The method's label in reports; nil for a name made from its settings.
  public var label: String?

  public init(
    _ method: MethodRecipe, learningRate: LearningRate? = nil, label: String? = nil
  ) {
    self.method = method
    self.learningRate = learningRate
    self.label = label
  }

  /// The label, or a short name made from the settings: "lora r8", "lora r8 qv", "last 2 layers".
  public var displayLabel: String { label ?? method.settings.displayLabel }
}

extension MethodEntry {
  /// A form for each method.
  var forms: [RecipeForm] {
    MethodRecipe.known.map { known in
      let entry = MethodEntry(MethodRecipe(known.init()))
      return RecipeForm(
        condition: .member("type", ["const": .string(known.type)]), section: entry)
    }
  }

  var conditions: [JSONValue] { [.member("type", .enumeration(MethodRecipe.types))] }
}

extension MethodEntry: RecipeSection {
  mutating func visit(_ fields: RecipeFields) {
    var type = method.type
    guard fields.required("type", &type, .word(of: MethodRecipe.types)) else {
      return fields.ignoreRest()
    }
    if type != method.type, let other = MethodRecipe(type: type) { method = other }
    method.settings.visit(fields)
    fields("learning_rate", &learningRate, .optional(.learningRate))
    fields("label", &label, .optional(.nonEmptyString))
    fields.variants(of: "type", current: type) {
      MethodRecipe.known.filter { $0.type != type }.map {
        ($0.type, MethodEntry(MethodRecipe($0.init())).keys)
      }
    }
  }
}
