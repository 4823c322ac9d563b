import Storage

/// A run's choices where its recipe leaves them open; stored in every training state, so that a
/// resumed run keeps them.
public struct RunDecision: JSONRecord {
  /// Share of each tensor's rows, by tensor name; nil if no sparse method chose any.
  public var scheme: [String: Double]?
  /// The method that was chosen, as a recipe spells it; nil for a sparse one or where the recipe
  /// names it.
  public var method: JSONValue?
  public var learningRate: Double?
  /// How the step's matmuls are computed; nil if none was chosen.
  public var products: [ProductRecord]?
  /// Which matmuls multiply integers; nil if the recipe says it.
  public var precision: PrecisionRecord?

  public init(
    scheme: [String: Double]?, method: JSONValue? = nil, learningRate: Double?,
    products: [ProductRecord]? = nil, precision: PrecisionRecord? = nil
  ) {
    self.scheme = scheme
    self.method = method
    self.learningRate = learningRate
    self.products = products
    self.precision = precision
  }

  public var json: JSONValue {
    var object: JSONObject = [
      "scheme": scheme.map { .shares($0) } ?? .null, "learning_rate": .optional(learningRate),
    ]
    if let method { object["method"] = method }
    if let products { object["products"] = .array(products.map(\.json)) }
    if let precision { object["precision"] = precision.json }
    return .object(object)
  }

  /// Nil for anything but an object: training states of runs that decided nothing store null.
  public init?(_ json: JSONValue) {
    guard json.object != nil else { return nil }
    self.init(
      scheme: json.shares("scheme"), method: json["method"],
      learningRate: json["learning_rate"]?.double,
      products: json["products"].map { _ in json.records("products") },
      precision: json["precision"].flatMap { PrecisionRecord($0) })
  }
}
