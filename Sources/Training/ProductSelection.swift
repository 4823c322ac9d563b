import Adaptations
import Compilation
import Datasets
import Execution
import Weights

/// Chooses which matmuls of a model multiply integers: those that together change the loss by no
/// more than a bound, measured on a few batches of a text.
///
/// Everywhere, if that is within the bound; else matrices are kept in bf16 in the order of what
/// quantising their inputs costs for their arithmetic (`QuantisationScan`), as few as keep the
/// measured loss within the bound, and at least so many that well below it is expected.
public struct ProductSelection {
  /// The largest relative change of the loss against bf16 matmuls.
  public static let bound = 1e-3
  /// How much of a change may be expected of what multiplies integers: less than the bound, since the
  /// change on other text and after training varies around what is measured.
  private static let expected = 0.6 * bound
  /// Batches that losses are measured on.
  public static let batches = 4
  /// About how many tokens the scan takes: the costs are sums over all of a matmul's inputs, so less
  /// text is needed than for losses.
  private static let scannedTokens = 4096
  /// The most sets of matrices that are measured.
  private static let attempts = 4

  private let weights: ModelWeights
  private let shape: BatchShape
  private let text: TokenStream
  private let pool: WorkerPool
  private let kernels: Kernels
  private let shouldStop: () -> Bool
  /// Windows all over the text.
  private let windows: [Int]

  /// - Parameters:
  ///   - shape: the run's batches.
  ///   - shouldStop: asked between batches; true ends the measurement.
  public init(
    _ weights: ModelWeights, shape: BatchShape, text: TokenStream, pool: WorkerPool,
    kernels: Kernels, shouldStop: @escaping () -> Bool = { false }
  ) {
    (self.weights, self.text, self.pool) = (weights, text, pool)
    (self.kernels, self.shouldStop) = (kernels, shouldStop)
    self.shape = BatchShape(windows: shape.windows, tokens: shape.tokens)
    let all = (0..<text.windowCount(sequenceLength: shape.tokens, includePartial: false)).filter {
      text.scoredCount(window: $0, sequenceLength: shape.tokens) > 0
    }
    windows = Self.spread(all, min(all.count, Self.batches * shape.windows))
  }

  /// `count` elements at even distances.
  private static func spread(_ all: [Int], _ count: Int) -> [Int] {
    (0..<count).map { all[$0 * all.count / count] }
  }

  /// The result of measuring.
  public struct Choice: Hashable, Sendable {
    public var precision: ProductPrecision
    /// Mean losses of the measured batches in nats: all matmuls in bf16, all that can in int8, and as
    /// chosen.
    public var bf16Loss: Double
    public var int8Loss: Double
    public var chosenLoss: Double
  }

  /// Measures and chooses. A text without a whole window leaves nothing to measure: then all matmuls
  /// are bf16.
  ///
  /// - Throws: `TrainingError.interrupted` if it was asked to stop.
  public func choose() throws(TrainingError) -> Choice {
    guard !windows.isEmpty else {
      return Choice(precision: .bf16, bf16Loss: .nan, int8Loss: .nan, chosenLoss: .nan)
    }
    let reference = try loss(.bf16)
    let whole = try loss(.int8)
    func choice(_ precision: ProductPrecision, _ loss: Double) -> Choice {
      Choice(precision: precision, bf16Loss: reference, int8Loss: whole, chosenLoss: loss)
    }
    func change(_ loss: Double) -> Double { abs(loss / reference - 1) }
    if change(whole) <= Self.bound { return choice(.int8, whole) }
    guard change(whole).isFinite else { return choice(.bf16, reference) }
    let ranking = QuantisationRanking(try costs())
    var allowed = Self.expected
    for _ in 0..<Self.attempts {
      let kept = ranking.kept(untilRestIs: allowed / change(whole))
      guard kept.count < ranking.count else { break }
      let mixed = ProductPrecision(.int8, keptInBF16: kept)
      let found = try loss(mixed)
      if change(found) <= Self.bound { return choice(mixed, found) }
      allowed /= 2
    }
    return choice(.bf16, reference)
  }

  /// What quantising would cost each matrix.
  ///
  /// - Throws: `TrainingError.interrupted` if it was asked to stop.
  public func costs() throws(TrainingError) -> [QuantisationCost] {
    let count = min(windows.count, max(2, Self.scannedTokens / shape.tokens))
    let scan = try QuantisationScan(
      weights, tokens: shape.tokens, pool: pool, kernels: kernels)
    guard
      let costs = scan.run(
        over: text, windows: Self.spread(windows, count), unless: shouldStop)
    else { throw .interrupted }
    weights.checkpoint.releasePages()
    return costs
  }

  /// The mean loss of the batches in nats per scored target.
  private func loss(_ precision: ProductPrecision) throws(TrainingError) -> Double {
    let step = try CompiledStep(
      weights.configuration, adaptation: NoAdaptation(), optimizer: .sgd(SGD()), clipNorm: nil,
      shape: shape, precision: precision, elementType: weights.elementType)
    let session = try Session(step, weights: weights, pool: pool, kernels: kernels, seed: 0)
    let evaluator = Evaluator(session, text: text)
    guard let loss = evaluator.meanLoss(of: windows, unless: shouldStop) else {
      throw .interrupted
    }
    weights.checkpoint.releasePages()
    return loss
  }
}

/// Matrices in the order in which they are kept from integers: by what these cost the loss, for the
/// arithmetic that they save.
struct QuantisationRanking {
  private let order: [QuantisationCost]
  private let total: Double
  var count: Int { order.count }

  init(_ costs: [QuantisationCost]) {
    // What is not a number is worst.
    func value(_ cost: QuantisationCost) -> Double {
      cost.loss.isFinite ? cost.loss / max(1, cost.flopsPerToken) : .infinity
    }
    order = costs.sorted { (-value($0), $0.matrix) < (-value($1), $1.matrix) }
    total = costs.reduce(0) { $0 + $1.loss }
  }

  /// The fewest first matrices without which the others' share of the cost is at most a given one.
  func kept(untilRestIs share: Double) -> Set<String> {
    var rest = total
    var kept = Set<String>()
    for cost in order {
      if rest <= share * total { break }
      kept.insert(cost.matrix)
      rest -= cost.loss
    }
    return kept
  }
}
