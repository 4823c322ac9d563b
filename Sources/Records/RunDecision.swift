import Storage

/// What a run decided where its recipe leaves that open; kept in every training state, so that a
/// resumed run goes on with it.
public struct RunDecision: JSONRecord {
  /// Shares of rows by tensor; nil where that is no sparse method's choice.
  public var scheme: [String: Double]?
  public var learningRate: Double?
  /// How the step's products are computed; nil where none was chosen.
  public var products: [ProductRecord]?

  public init(
    scheme: [String: Double]?, learningRate: Double?, products: [ProductRecord]? = nil
  ) {
    self.scheme = scheme
    self.learningRate = learningRate
    self.products = products
  }

  public var json: JSONValue {
    var object: JSONObject = [
      "scheme": scheme.map { .shares($0) } ?? .null, "learning_rate": .optional(learningRate),
    ]
    if let products { object["products"] = .array(products.map(\.json)) }
    return .object(object)
  }

  /// Nil for what is no object: states of runs that decided nothing have null.
  public init?(_ json: JSONValue) {
    guard json.object != nil else { return nil }
    self.init(
      scheme: json.shares("scheme"), learningRate: json["learning_rate"]?.double,
      products: json["products"].map { _ in json.records("products") })
  }
}
