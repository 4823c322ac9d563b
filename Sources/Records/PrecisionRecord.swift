import Storage

/// Which matmuls multiply integers, as measured on a few batches: in a run's training state, in
/// `plan --json`, and in the cache folder's `precision.json`.
public struct PrecisionRecord: JSONRecord {
  /// Hash of everything that the result depends on: model, text, batches, version.
  public var key: String
  /// "int8" or "bf16".
  public var precision: String
  /// Names of matrices whose matmuls stay bf16 where the others are int8, sorted.
  public var keptInBF16: [String]
  /// Mean losses of the batches in nats, with all matmuls in bf16, in int8, and as chosen; nil if
  /// nothing was measured.
  public var bf16Loss: Double?
  public var int8Loss: Double?
  public var chosenLoss: Double?
  /// Time that measuring took.
  public var seconds: Double

  public init(
    key: String, precision: String, keptInBF16: [String], bf16Loss: Double?, int8Loss: Double?,
    chosenLoss: Double?, seconds: Double
  ) {
    self.key = key
    self.precision = precision
    self.keptInBF16 = keptInBF16
    self.bf16Loss = bf16Loss
    self.int8Loss = int8Loss
    self.chosenLoss = chosenLoss
    self.seconds = seconds
  }

  public var json: JSONValue {
    [
      "key": .string(key), "precision": .string(precision),
      "kept_in_bf16": .array(keptInBF16.map { .string($0) }), "bf16_loss": .optional(bf16Loss),
      "int8_loss": .optional(int8Loss), "chosen_loss": .optional(chosenLoss),
      "seconds": .number(seconds),
    ]
  }

  /// Nil without a precision.
  public init?(_ json: JSONValue) {
    guard let precision = json["precision"]?.string else { return nil }
    self.init(
      key: json.string("key"), precision: precision,
      keptInBF16: (json["kept_in_bf16"]?.array ?? []).compactMap(\.string),
      bf16Loss: json["bf16_loss"]?.double, int8Loss: json["int8_loss"]?.double,
      chosenLoss: json["chosen_loss"]?.double, seconds: json["seconds"]?.double ?? 0)
  }
}
