import Storage

/// A value of a file's record that no run writes: of another type, or out of its range.
public struct RecordProblem: Hashable, Sendable {
  /// The value's place, such as `decision.learning_rate`.
  public var key: String
  public var found: String
  public var expected: String
}

/// What a value of a record may be.
enum RecordRule: Sendable {
  /// An integer in a range.
  case integer(ClosedRange<Int>)
  /// A finite number in a range.
  case number(ClosedRange<Double>)
  /// A number as above, or null.
  case optionalNumber(ClosedRange<Double>)
  /// An object whose members all are numbers in a range, or null.
  case shares(ClosedRange<Double>)
  case text

  /// What the rule asks for where a value breaks it; nil where it does not.
  func broken(by value: JSONValue) -> String? {
    switch self {
    case .integer(let range):
      value.int.map(range.contains) ?? false
        ? nil : "an integer from \(range.lowerBound) to \(range.upperBound)"
    case .number(let range):
      value.double.map(range.contains) ?? false
        ? nil : "a number from \(range.lowerBound) to \(range.upperBound)"
    case .optionalNumber(let range):
      value.isNull ? nil : RecordRule.number(range).broken(by: value)
    case .shares(let range):
      value.isNull || (value.object?.members.allSatisfy { isShare($0.value, range) } ?? false)
        ? nil : "an object of numbers from \(range.lowerBound) to \(range.upperBound)"
    case .text: value.string == nil ? "a text" : nil
    }
  }

  private func isShare(_ value: JSONValue, _ range: ClosedRange<Double>) -> Bool {
    value.double.map(range.contains) ?? false
  }
}

extension JSONValue {
  /// The first member that breaks its rule. Members without a rule, and missing ones, are passed over.
  ///
  /// - Parameter place: of this object in its record.
  func problem(_ rules: [(key: String, rule: RecordRule)], place: String = "") -> RecordProblem? {
    for (key, rule) in rules {
      guard let value = self[key], let expected = rule.broken(by: value) else { continue }
      let found = value.array == nil && value.object == nil ? value.encoded() : value.kind
      return RecordProblem(key: place + key, found: found, expected: expected)
    }
    return nil
  }
}

extension StateRecord {
  /// More steps, seconds or tokens than any run has; sums and products of a few stay within `Int`.
  private static let most = 1_000_000_000_000
  private static let seconds = 0...1e12
  /// A mean loss in nats; a run ends before it is infinite.
  private static let losses = -1e300...1e300

  private static let rules: [(key: String, rule: RecordRule)] = [
    ("base", .text), ("step", .integer(0...most)), ("training_seconds", .number(seconds)),
    ("elapsed_seconds", .number(seconds)), ("initial_validation_loss", .optionalNumber(losses)),
    ("best_validation_loss", .optionalNumber(losses)),
    ("last_validation_loss", .optionalNumber(losses)),
    ("initial_guard_loss", .optionalNumber(losses)),
    ("last_guard_loss", .optionalNumber(losses)),
    ("validations_since_best", .integer(0...most)), ("sequence_length", .integer(1...most)),
    ("tokens_per_step", .integer(1...most)), ("training_tokens", .integer(0...most)),
    ("seed", .integer(Int.min...Int.max)), ("shuffle", .integer(0...1)),
  ]

  private static let decisionRules: [(key: String, rule: RecordRule)] = [
    ("learning_rate", .optionalNumber(0...1e6)),
    // Sums of shares may be a rounding error above all rows.
    ("scheme", .shares(0...1.001)),
  ]

  private static let productRules: [(key: String, rule: RecordRule)] = [
    ("kernel", .text), ("m", .integer(0...most)), ("n", .integer(0...most)),
    ("k", .integer(0...most)), ("chosen", .text), ("seconds", .shares(seconds)),
  ]

  private static let precisionRules: [(key: String, rule: RecordRule)] = [
    ("key", .text), ("precision", .text), ("bf16_loss", .optionalNumber(losses)),
    ("int8_loss", .optionalNumber(losses)), ("chosen_loss", .optionalNumber(losses)),
    ("seconds", .number(seconds)),
  ]

  /// The first of a training state's values that no run writes; nil if there is none. The
  /// initialiser takes such values for missing ones, or as they are.
  public static func problem(in values: JSONValue) -> RecordProblem? {
    if let problem = values.problem(rules) { return problem }
    // Runs whose tokens can't be counted end before they begin.
    let (steps, tokens) = (values.int("step"), values.int("tokens_per_step"))
    if steps.multipliedReportingOverflow(by: max(1, tokens)).overflow {
      return RecordProblem(
        key: "step", found: "\(steps)",
        expected: "fewer steps of \(tokens) tokens, which have to be countable")
    }
    guard let decision = values["decision"], !decision.isNull else { return nil }
    guard decision.object != nil else {
      return RecordProblem(key: "decision", found: decision.kind, expected: "an object or null")
    }
    if let problem = decision.problem(decisionRules, place: "decision.") { return problem }
    for (index, product) in (decision["products"]?.array ?? []).enumerated() {
      let place = "decision.products[\(index)]."
      if let problem = product.problem(productRules, place: place) { return problem }
    }
    return decision["precision"]?.problem(precisionRules, place: "decision.precision.")
  }
}
