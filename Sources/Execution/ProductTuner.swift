import Programs
import Synchronization

/// The variant chosen for a matmul, and the measurements behind the choice.
public struct ProductDecision: Hashable, Sendable {
  public var product: Product
  public var variant: ProductVariant
  /// The time of each variant; empty if none was timed.
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

/// Chooses among the variants of matmuls by timing them in the arena where their operands will lie,
/// and remembers its choices, so that the same matmul is always computed in the same variant.
public final class ProductTuner: Sendable {
  public enum Policy: Hashable, Sendable {
    /// The fastest variant, if it beats the usual one by more than timing noise.
    case measured
    /// This backend for every matmul that has it, with the usual split over threads.
    case fixed(ProductBackend)
  }

  /// Matmuls with fewer operations are not tuned: their times are too noisy.
  static let leastFlops = 10_000_000
  /// Passes over all matmuls: as many as fit into `secondsOfPasses`, within these bounds.
  private static let passes = 3...6
  private static let secondsOfPasses = 2.0

  private let policy: Policy
  private let known: Mutex<[Product: ProductDecision]>
  private let remember: @Sendable ([ProductDecision]) -> Void

  /// - Parameters:
  ///   - known: earlier choices, from the same CPU with the same number of threads.
  ///   - remember: called with the new decisions whenever matmuls have been timed.
  public init(
    _ policy: Policy, known: [ProductDecision] = [],
    remember: @escaping @Sendable ([ProductDecision]) -> Void = { _ in }
  ) {
    self.policy = policy
    self.remember = remember
    self.known = Mutex([:])
    adopt(known)
  }

  /// Adopts choices made elsewhere; they replace its own.
  public func adopt(_ decisions: [ProductDecision]) {
    known.withLock { known in
      for decision in decisions { known[decision.product] = decision }
    }
  }

  /// How the matmuls of some bound programs are computed, sorted by kernel and sizes.
  public func decisions(in programs: [Program]) -> [ProductDecision] {
    var decisions: Set<ProductDecision> = []
    for call in programs.flatMap(\.calls) {
      guard let product = call.product, let variant = call.variant else { continue }
      let measured = usable(call)?.measured ?? []
      decisions.insert(ProductDecision(product: product, variant: variant, measured: measured))
    }
    return decisions.sorted { ($0.product, "\($0.variant)") < ($1.product, "\($1.variant)") }
  }

  /// The known decisions for the matmuls of some programs.
  public func choices(for programs: [Program]) -> [ProductDecision] {
    let known = programs.flatMap(\.calls).compactMap(usable)
    return Set(known).sorted { $0.product < $1.product }
  }

  /// The call in the variant chosen for its matmul.
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

  /// The known decision for a call's matmul, if its variant is one of the call's.
  private func usable(_ call: KernelCall) -> ProductDecision? {
    guard policy == .measured, let product = call.product,
      let decision = known.withLock({ $0[product] }), call.variants.contains(decision.variant)
    else { return nil }
    return decision
  }

  /// The calls whose matmul still has to be timed, one call per matmul.
  func unknown(_ calls: [KernelCall]) -> [KernelCall] {
    guard policy == .measured else { return [] }
    var found: [Product: KernelCall] = [:]
    for call in calls where call.flops >= Self.leastFlops && call.variants.count > 1 {
      if let product = call.product, usable(call) == nil { found[product] = call }
    }
    return found.sorted { $0.key < $1.key }.map(\.value)
  }

  /// Times the variants of some calls' matmuls and adopts the decisions.
  ///
  /// - Parameter seconds: runs a call once and returns its time in seconds.
  func measure(
    _ calls: [KernelCall], seconds: (KernelCall) throws(ExecutionError) -> Double
  ) throws(ExecutionError) {
    var trials = calls.map(Trial.init)
    let clock = ContinuousClock()
    let start = clock.now
    // All matmuls in one variant before the next variant: no variant finds its operands in the
    // cache because another one has just used them, and a momentary disturbance does not decide for
    // one.
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

/// The variants of one matmul, the usual one first, and the best time of each in seconds.
struct Trial {
  /// Another variant is chosen only if it takes at most this fraction of the usual variant's time.
  static let worthwhileShare = 0.95
  /// A variant tried twice whose best time exceeds the overall best by this factor is not tried
  /// again.
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
