import Adaptations
import Configurations
import Tensors
import Training

/// What a step may cost.
public struct SchemeBudget: Hashable, Sendable {
  /// Planned peak in bytes.
  public var bytes: Int?
  /// Arithmetic as a share of full fine-tuning's.
  public var stepTime: Double?

  public init(bytes: Int?, stepTime: Double?) {
    self.bytes = bytes
    self.stepTime = stepTime
  }
}

/// Chooses tensors by a fixed rule and the compiler's own costs, without measuring what they gain.
///
/// Whole blocks from the top are the strongest simple choice under a budget of time (their backward
/// pass is the shortest for what they train), so they stand in until contributions are measured.
public struct SchemeRule {
  /// The order in which tensors are added while the budget lasts.
  public enum Order: Sendable {
    /// Blocks from the last one down, with their norms' gains and the final norm.
    case lastBlocks
    /// Linear maps of any block in random order: a control.
    case random
  }

  private let configuration: ModelConfiguration
  private let seed: UInt64
  private let cost: ([String: Double]) throws(TrainingError) -> (bytes: Int, stepTime: Double)

  /// - Parameter cost: planned peak and share of full fine-tuning's arithmetic of a scheme, from
  ///   its compiled step.
  public init(
    _ configuration: ModelConfiguration, seed: UInt64,
    cost: @escaping ([String: Double]) throws(TrainingError) -> (bytes: Int, stepTime: Double)
  ) {
    self.configuration = configuration
    self.seed = seed
    self.cost = cost
  }

  /// - Throws: `TrainingError.budget` with the smallest figures that would do if nothing fits.
  public func choose(
    _ order: Order, within budget: SchemeBudget
  ) throws(TrainingError) -> (scheme: [String: Double], explanation: String) {
    let groups = groups(order)
    func scheme(_ count: Int) -> [String: Double] {
      Dictionary(groups.prefix(count).flatMap { $0 }.map { ($0, 1) }) { first, _ in first }
    }
    func fits(_ count: Int) throws(TrainingError) -> Bool {
      let found = try cost(scheme(count))
      return found.bytes <= budget.bytes ?? .max && found.stepTime <= budget.stepTime ?? 1
    }
    guard try fits(1) else {
      let least = try cost(scheme(1))
      throw .budget(bytes: least.bytes, stepTime: least.stepTime)
    }
    // More groups never cost less, so the largest that fits is found by bisection.
    var (low, high) = (1, groups.count + 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if try fits(middle) { low = middle } else { high = middle }
    }
    let chosen = try cost(scheme(low))
    let share = formatted(100 * chosen.stepTime, decimals: 0)
    let what =
      switch order {
      case .lastBlocks: "the last \(low) of \(configuration.layers) blocks"
      case .random: "\(low) linear maps drawn at random"
      }
    return (
      scheme(low),
      "\(what), a fixed rule filled to the budget: \(share) % of full fine-tuning's arithmetic, "
        + "\(ByteCount(chosen.bytes)) (contributions are not measured yet)"
    )
  }

  private func groups(_ order: Order) -> [[String]] {
    let names = configuration.parameters.map(\.name)
    switch order {
    case .lastBlocks:
      let blocks = (0..<configuration.layers).reversed().map { layer in
        names.filter { $0.hasPrefix("layers[\(layer)].") }
      }
      return blocks.enumerated().map { $0.offset == 0 ? $0.element + ["norm"] : $0.element }
    case .random:
      let linear = configuration.parameters.filter { $0.isMatrix && $0.name.hasPrefix("layers[") }
      var random = RandomSource(seed: seed, stream: 0x5343_4845)
      return random.permutation(linear.count).map { [linear[Int($0)].name] }
    }
  }
}
