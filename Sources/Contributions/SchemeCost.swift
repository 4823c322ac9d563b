import Tensors
import Training

/// Limits of a step's cost.
public struct SchemeBudget: Hashable, Sendable {
  /// Planned peak in bytes; nil for no limit.
  public var bytes: Int?
  /// Arithmetic as a share of full fine-tuning's; nil for no limit.
  public var flopsShare: Double?

  public init(bytes: Int?, flopsShare: Double?) {
    self.bytes = bytes
    self.flopsShare = flopsShare
  }
}

/// The cost of a scheme's compiled step.
public struct SchemeCost: Hashable, Sendable {
  /// Floating-point operations of a step.
  public var flops: Int
  /// Planned peak in bytes.
  public var bytes: Int
  /// `flops` as a share of full fine-tuning's.
  public var flopsShare: Double

  public init(flops: Int, bytes: Int, flopsShare: Double) {
    self.flops = flops
    self.bytes = bytes
    self.flopsShare = flopsShare
  }

  /// Whether both limits hold.
  public func fits(_ budget: SchemeBudget) -> Bool {
    bytes <= budget.bytes ?? .max && fitsFlops(budget)
  }

  /// Whether the limit of operations holds.
  func fitsFlops(_ budget: SchemeBudget) -> Bool { flopsShare <= budget.flopsShare ?? .infinity }
}

/// Costs of sets of tensors, each compiled once.
///
/// A class, so that all users share what has been compiled.
public final class SchemeCosts {
  /// Compiles an update scheme, tensor path → share of its output rows, and returns its cost.
  public typealias Compile = ([String: Double]) throws(TrainingError) -> SchemeCost

  /// The tensors and shares that may be chosen.
  public let space: SchemeSpace
  /// How many schemes were compiled.
  public private(set) var compilations = 0
  private let compile: Compile
  private var known: [UpdateSet: SchemeCost] = [:]

  /// - Parameter compile: compiles a scheme's step; called once for every scheme asked for.
  public init(_ space: SchemeSpace, compile: @escaping Compile) {
    self.space = space
    self.compile = compile
  }

  /// The cost of training items together with the biases and gains that train with them.
  ///
  /// - Parameter items: elements of `space.items`, the head at most once.
  /// - Throws: what compiling throws.
  public func callAsFunction(
    _ items: some Sequence<SchemeItem>
  ) throws(TrainingError) -> SchemeCost {
    try self(space.set(items))
  }

  /// - Throws: what compiling throws.
  func callAsFunction(_ set: UpdateSet) throws(TrainingError) -> SchemeCost {
    if let cost = known[set] { return cost }
    let cost = try compile(space.scheme(set))
    compilations += 1
    known[set] = cost
    return cost
  }

  /// The error for a budget that nothing fits, with figures that suffice for a single tensor: the
  /// one that exceeds the budget least.
  ///
  /// Bytes are rounded up to 0.1 MB and the share of operations to 0.01, as they are displayed.
  /// Only the last block is tried: the same tensor of a lower block costs more.
  ///
  /// - Parameter headShares: shares of the head that may be chosen.
  /// - Throws: what compiling throws.
  func leastBudget(
    _ budget: SchemeBudget, headShares: [Double] = []
  ) throws(TrainingError) -> TrainingError {
    let top = space.layers - 1
    let sets =
      LinearKind.fillingOrder.map { UpdateSet([LinearTensor(layer: top, kind: $0)]) }
      + headShares.map { UpdateSet([LinearTensor](), head: $0) }
    var least: (excess: Double, cost: SchemeCost)?
    for set in sets {
      let cost = try self(set)
      let excess = max(
        Double(cost.bytes) / Double(max(1, budget.bytes ?? .max)),
        cost.flopsShare / (budget.flopsShare ?? .infinity))
      let isLess = least.map {
        (excess, cost.flops, cost.bytes) < ($0.excess, $0.cost.flops, $0.cost.bytes)
      }
      if isLess ?? true { least = (excess, cost) }
    }
    let cost = least?.cost ?? SchemeCost(flops: 0, bytes: 0, flopsShare: 0)
    var hundredths = (100 * cost.flopsShare).rounded(.up)
    if hundredths / 100 < cost.flopsShare { hundredths += 1 }
    return .budget(
      bytes: (cost.bytes + 99_999) / 100_000 * 100_000, flopsShare: hundredths / 100)
  }
}
