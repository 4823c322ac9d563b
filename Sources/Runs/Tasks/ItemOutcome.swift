import Records
import Storage

/// What came of one item with one model.
enum ItemOutcome {
  /// A window of a text.
  case window(ScoredSum)
  /// Log-likelihoods of the choices in nats, and which choice is likeliest, in all and for its length.
  case choices([Double], likeliest: Int, normalised: Int, answer: Int)
  /// The target's loss, the greedy text, and whether that is the target.
  case target(ScoredSum, text: String, isExact: Bool)

  /// - Parameter choices: their texts; a choice's length is its number of Unicode scalars.
  init(_ likelihoods: [Double], of choices: [String], answer: Int) {
    func best(_ values: [Double]) -> Int {
      values.indices.max { values[$0] < values[$1] } ?? 0
    }
    let means = zip(likelihoods, choices).map { $0 / Double($1.unicodeScalars.count) }
    self = .choices(
      likelihoods, likeliest: best(likelihoods), normalised: best(means), answer: answer)
  }

  /// The item's members in a line of `--items`.
  var members: [(String, JSONValue)] {
    switch self {
    case .window(let sum): [("loss", .number(sum.loss)), ("tokens", .int(sum.targets))]
    case .choices(let likelihoods, let likeliest, let normalised, let answer):
      [
        ("log_likelihoods", .array(likelihoods.map { .number($0) })), ("answer", .int(answer)),
        ("likeliest", .int(likeliest)), ("likeliest_normalised", .int(normalised)),
      ]
    case .target(let sum, let text, let isExact):
      [
        ("log_likelihood", .number(-sum.loss)), ("tokens", .int(sum.targets)),
        ("text", .string(text)), ("exact_match", .bool(isExact)),
      ]
    }
  }
}

/// The measures that items of a kind have.
enum ItemMeasure {
  case hits(EvaluationTable.Measure, (ItemOutcome) -> Bool)
  case losses(EvaluationTable.Measure, (ItemOutcome) -> ScoredSum)
}

extension ItemOutcome {
  /// The measures of this item and all others of its data set.
  var measures: [ItemMeasure] {
    switch self {
    case .window: [.losses(.loss, \.sum)]
    case .choices:
      [
        .hits(.accuracy) {
          if case .choices(_, let best, _, let answer) = $0 { best == answer } else { false }
        },
        .hits(.normalisedAccuracy) {
          if case .choices(_, _, let best, let answer) = $0 { best == answer } else { false }
        },
      ]
    case .target:
      [
        .hits(.exactMatch) { if case .target(_, _, let isExact) = $0 { isExact } else { false } },
        .losses(.loss, \.sum),
      ]
    }
  }

  private var sum: ScoredSum {
    switch self {
    case .window(let sum), .target(let sum, _, _): sum
    case .choices: ScoredSum(loss: 0, targets: 0)
    }
  }
}
