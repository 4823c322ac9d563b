import Programs
import Synchronization

/// How a product is computed, and why.
public struct ProductDecision: Hashable, Codable, Sendable {
  public var product: Product
  public var variant: ProductVariant
  /// What each way took.
  public var measured: [Measurement]

  public struct Measurement: Hashable, Codable, Sendable {
    public var variant: ProductVariant
    public var seconds: Double

    public init(variant: ProductVariant, seconds: Double) {
      self.variant = variant
      self.seconds = seconds
    }
  }

  public init(product: Product, variant: ProductVariant, measured: [Measurement]) {
    self.product = product
    self.variant = variant
    self.measured = measured
  }
}

/// Chooses how products are computed where there are several ways, by timing them where their
/// operands lie, and remembers what it chose, so that the same product is always computed the same
/// way.
public final class ProductTuner: Sendable {
  public enum Policy: Hashable, Sendable {
    /// The fastest way, if it is faster than the usual one by more than chance.
    case measured
    /// Products of floats by this back-end, threads sharing them out as usual.
    case fixed(ProductBackend)
  }

  /// Products with less arithmetic stay as they are: their time says little.
  static let leastFlops = 10_000_000
  /// Another way than the usual one has to take this share of its time at most.
  static let worthwhileShare = 0.95
  /// Passes over all products, as many as fit into the seconds, but a few at least.
  private static let passes = 3...6
  private static let secondsOfPasses = 2.0

  private let policy: Policy
  private let known: Mutex<[Product: ProductDecision]>

  /// - Parameter known: what was chosen earlier, on the same CPU with the same number of threads.
  public init(_ policy: Policy, known: [ProductDecision] = []) {
    self.policy = policy
    let pairs = known.map { ($0.product, $0) }
    self.known = Mutex(Dictionary(pairs, uniquingKeysWith: { first, _ in first }))
  }

  /// What was chosen so far, known choices included, in the order of kernels and sizes.
  public var decisions: [ProductDecision] {
    known.withLock { Array($0.values) }.sorted { ($0.product) < ($1.product) }
  }

  /// The call in the way that is chosen for its product.
  func chosen(_ call: KernelCall) -> KernelCall {
    let variants = call.variants
    guard let product = call.product else { return call }
    let variant =
      switch policy {
      case .fixed(let backend):
        variants.first { $0.backend == backend && $0.split == call.variant?.split }
      case .measured: known.withLock { $0[product]?.variant }
      }
    guard let variant, variants.contains(variant) else { return call }
    return call.computed(variant)
  }

  /// Times the ways to compute those products among some calls that nothing was decided about.
  ///
  /// - Parameter seconds: runs a call once and says how long that took.
  /// - Returns: whether any call has run.
  func measure(
    _ calls: [KernelCall], seconds: (KernelCall) throws(ExecutionError) -> Double
  ) throws(ExecutionError) -> Bool {
    guard policy == .measured else { return false }
    var trials: [Product: Trial] = [:]
    for call in calls where call.flops >= Self.leastFlops && call.variants.count > 1 {
      guard let product = call.product, known.withLock({ $0[product] }) == nil else { continue }
      trials[product] = Trial(call)
    }
    let products = trials.keys.sorted()
    let clock = ContinuousClock()
    let start = clock.now
    // A pass over all of them after the other: what disturbs a moment does not decide for one.
    for pass in 0..<Self.passes.upperBound {
      if pass >= Self.passes.lowerBound, (clock.now - start).seconds > Self.secondsOfPasses {
        break
      }
      for product in products { try trials[product]?.time(seconds) }
    }
    for (product, trial) in trials {
      let decision = trial.decision(for: product)
      known.withLock { $0[product] = decision }
    }
    return !trials.isEmpty
  }
}

/// The ways to compute one product, and the least seconds that each has taken.
private struct Trial {
  let variants: [ProductVariant]
  let candidates: [KernelCall]
  var best: [Double]

  init(_ call: KernelCall) {
    variants = call.variants
    candidates = variants.map(call.computed)
    best = Array(repeating: .infinity, count: candidates.count)
  }

  mutating func time(
    _ seconds: (KernelCall) throws(ExecutionError) -> Double
  ) throws(ExecutionError) {
    for (index, candidate) in candidates.enumerated() {
      best[index] = min(best[index], try seconds(candidate))
    }
  }

  func decision(for product: Product) -> ProductDecision {
    let fastest = best.indices.min { best[$0] < best[$1] } ?? 0
    let isWorthwhile = best[fastest] <= ProductTuner.worthwhileShare * best[0]
    return ProductDecision(
      product: product, variant: variants[isWorthwhile ? fastest : 0],
      measured: zip(variants, best).map { .init(variant: $0, seconds: $1) })
  }
}
