import Programs
import Synchronization

/// How a product is computed, and why.
public struct ProductDecision: Hashable, Sendable {
  public var product: Product
  public var variant: ProductVariant
  /// What each variant took; empty where none was timed.
  public var measured: [Measurement]

  public struct Measurement: Hashable, Sendable {
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

/// Chooses how products are computed where there are several variants, by timing them where their
/// operands will lie, and remembers what it chose, so that the same product is always computed the
/// same variant.
public final class ProductTuner: Sendable {
  public enum Policy: Hashable, Sendable {
    /// The fastest variant, if it is faster than the usual one by more than chance.
    case measured
    /// Products of floats by this back-end, threads sharing them out as usual.
    case fixed(ProductBackend)
  }

  /// Products with less arithmetic stay as they are: their time says little.
  static let leastFlops = 10_000_000
  /// Passes over all products, as many as fit into the seconds, but a few at least.
  private static let passes = 3...6
  private static let secondsOfPasses = 2.0

  private let policy: Policy
  private let known: Mutex<[Product: ProductDecision]>
  private let remember: @Sendable ([ProductDecision]) -> Void

  /// - Parameters:
  ///   - known: what was chosen earlier, on the same CPU with the same number of threads.
  ///   - remember: told what has been timed, whenever something has.
  public init(
    _ policy: Policy, known: [ProductDecision] = [],
    remember: @escaping @Sendable ([ProductDecision]) -> Void = { _ in }
  ) {
    self.policy = policy
    self.remember = remember
    self.known = Mutex([:])
    adopt(known)
  }

  /// Takes choices over from elsewhere, in place of its own.
  public func adopt(_ decisions: [ProductDecision]) {
    known.withLock { known in
      for decision in decisions { known[decision.product] = decision }
    }
  }

  /// How the products of some bound programs are computed, in the order of kernels and sizes.
  public func decisions(in programs: [Program]) -> [ProductDecision] {
    var decisions: Set<ProductDecision> = []
    for call in programs.flatMap(\.calls) {
      guard let product = call.product, let variant = call.variant else { continue }
      let measured = usable(call)?.measured ?? []
      decisions.insert(ProductDecision(product: product, variant: variant, measured: measured))
    }
    return decisions.sorted { ($0.product, "\($0.variant)") < ($1.product, "\($1.variant)") }
  }

  /// What is known of the products of some programs.
  public func choices(for programs: [Program]) -> [ProductDecision] {
    let known = programs.flatMap(\.calls).compactMap(usable)
    return Set(known).sorted { $0.product < $1.product }
  }

  /// The call in the variant that is chosen for its product.
  func chosen(_ call: KernelCall) -> KernelCall {
    switch policy {
    case .fixed(let backend):
      let variant = call.variants.first {
        $0.backend == backend && $0.split == call.variant?.split
      }
      return variant.map(call.computed) ?? call
    case .measured: return usable(call).map { call.computed($0.variant) } ?? call
    }
  }

  /// What is known of a call's product, if it is one of the call's variants.
  private func usable(_ call: KernelCall) -> ProductDecision? {
    guard policy == .measured, let product = call.product,
      let decision = known.withLock({ $0[product] }), call.variants.contains(decision.variant)
    else { return nil }
    return decision
  }

  /// Those calls among some whose product is to be timed, one for each.
  func unknown(_ calls: [KernelCall]) -> [KernelCall] {
    guard policy == .measured else { return [] }
    var found: [Product: KernelCall] = [:]
    for call in calls where call.flops >= Self.leastFlops && call.variants.count > 1 {
      if let product = call.product, usable(call) == nil { found[product] = call }
    }
    return found.sorted { $0.key < $1.key }.map(\.value)
  }

  /// Times the variants to compute some products.
  ///
  /// - Parameter seconds: runs a call once and says how long that took.
  func measure(
    _ calls: [KernelCall], seconds: (KernelCall) throws(ExecutionError) -> Double
  ) throws(ExecutionError) {
    var trials = calls.map(Trial.init)
    let clock = ContinuousClock()
    let start = clock.now
    // Product after product before the next variant of each: none finds its operands in the cache
    // because another variant has just used them, and what disturbs a moment does not decide for one.
    for pass in 0..<Self.passes.upperBound {
      if pass >= Self.passes.lowerBound, (clock.now - start).seconds > Self.secondsOfPasses {
        break
      }
      for variant in 0..<(trials.map(\.candidates.count).max() ?? 0) {
        for index in trials.indices { try trials[index].time(variant, seconds) }
      }
    }
    let decisions = trials.compactMap(\.decision)
    adopt(decisions)
    if !decisions.isEmpty { remember(decisions) }
  }
}

/// The variants to compute one product, the usual one first, and the least seconds that each has taken.
struct Trial {
  /// Another variant than the usual one has to take this share of its time at most.
  static let worthwhileShare = 0.95
  /// A variant that has twice taken this many times the best time so far is not tried again.
  private static let hopeless = 1.5

  let candidates: [KernelCall]
  private(set) var best: [Double]
  private var tries: [Int]

  init(_ call: KernelCall) {
    candidates = call.variants.map(call.computed)
    best = Array(repeating: .infinity, count: candidates.count)
    tries = Array(repeating: 0, count: candidates.count)
  }

  mutating func time(
    _ variant: Int, _ seconds: (KernelCall) throws(ExecutionError) -> Double
  ) throws(ExecutionError) {
    guard variant < candidates.count else { return }
    if tries[variant] >= 2, let least = best.min(), best[variant] > Self.hopeless * least { return }
    best[variant] = min(best[variant], try seconds(candidates[variant]))
    tries[variant] += 1
  }

  var decision: ProductDecision? {
    let variants = candidates.compactMap(\.variant)
    guard let product = candidates[0].product,
      let fastest = best.indices.min(by: { best[$0] < best[$1] })
    else { return nil }
    let isWorthwhile = best[fastest] <= Self.worthwhileShare * best[0]
    return ProductDecision(
      product: product, variant: variants[isWorthwhile ? fastest : 0],
      measured: zip(variants, best).map { .init(variant: $0, seconds: $1) })
  }
}
