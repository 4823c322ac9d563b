import Storage

/// Mean and 95 % confidence interval of a quantity over several runs; nil if there are too few.
public struct SampleRecord: JSONRecord {
  public var mean: Double?
  public var low: Double?
  public var high: Double?
  /// Standard deviation with n − 1 in the denominator.
  public var standardDeviation: Double?
  /// Whether the standard deviation is written.
  public var hasSpread: Bool

  public init(
    mean: Double?, low: Double?, high: Double?, standardDeviation: Double? = nil,
    hasSpread: Bool = false
  ) {
    self.mean = mean
    self.low = low
    self.high = high
    self.standardDeviation = standardDeviation
    self.hasSpread = hasSpread
  }

  public init(_ json: JSONValue) {
    self.init(
      mean: json["mean"]?.double, low: json["low"]?.double, high: json["high"]?.double,
      standardDeviation: json["sd"]?.double, hasSpread: json["sd"] != nil)
  }

  public var json: JSONValue {
    var object: JSONObject = [
      "mean": .optional(mean), "low": .optional(low), "high": .optional(high),
    ]
    if hasSpread { object["sd"] = .optional(standardDeviation) }
    return .object(object)
  }
}
