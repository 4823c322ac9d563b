import Datasets
import Training

/// The fixed windows that score every probe and that no probe trains on.
///
/// They are spread evenly over the validation text, whose loss the run is to lower. Without one
/// they come from the end of the training text's first epoch, which probes never reach.
public struct HeldOutWindows: Sendable {
  public let text: TokenStream
  /// Indices of whole windows of that text, each with at least one scored target.
  public let windows: [Int]
  /// The share of each window's targets that is scored: the weight of its mean loss.
  public let weights: [Double]
  /// "validation text" or "training text".
  public let source: String
  /// "48 windows of the validation text".
  public var label: String { "\(windows.count) windows of the \(source)" }

  /// The target number of windows: more would cost more than they tell.
  public static let target = 48
  /// The target number of tokens, which limits the number of windows.
  public static let targetTokens = 16_384

  /// The number of windows that score a probe, if the text has enough.
  ///
  /// - Parameter share: the share of the usual number, for short runs.
  static func wanted(tokens: Int, share: Double = 1) -> Int {
    max(4, Int(share * Double(min(target, targetTokens / tokens))))
  }

  /// The most training windows that probes may train on so that enough are left to score them.
  static func trainableWindows(
    _ settings: TrainingSettings, text: TokenStream, validation: TokenStream?
  ) -> Int {
    let tokens = settings.shape.tokens
    if let validation, !scoredWindows(of: validation, tokens: tokens).isEmpty { return .max }
    let total = text.windowCount(sequenceLength: tokens, includePartial: false)
    return total - min(wanted(tokens: tokens), max(4, total / 8))
  }

  /// Whole windows with at least one scored target.
  private static func scoredWindows(of text: TokenStream, tokens: Int) -> [Int] {
    let count = text.windowCount(sequenceLength: tokens, includePartial: false)
    return (0..<count).filter { text.scoredCount(window: $0, sequenceLength: tokens) > 0 }
  }

  /// - Parameters:
  ///   - probeWindows: the number of windows, from the first of the order, that probes train on.
  ///   - share: the share of the usual number of windows.
  /// - Returns: nil if neither text has windows to spare.
  public init?(
    _ settings: TrainingSettings, text: TokenStream, validation: TokenStream?, probeWindows: Int,
    share: Double = 1
  ) {
    let tokens = settings.shape.tokens
    let wanted = Self.wanted(tokens: tokens, share: share)
    if let validation {
      let available = Self.scoredWindows(of: validation, tokens: tokens)
      let count = min(wanted, available.count)
      if count > 0 {
        self.init(
          validation, (0..<count).map { available[$0 * available.count / count] },
          source: "validation text", tokens: tokens)
        return
      }
    }
    let total = text.windowCount(sequenceLength: tokens, includePartial: false)
    guard probeWindows <= Self.trainableWindows(settings, text: text, validation: validation)
    else { return nil }
    let spare = min(wanted, total - probeWindows)
    var order = BatchOrder(windowCount: total, seed: settings.seed, shuffle: settings.shuffles)
    let last = (total - spare..<total).map { order.window(at: $0) }.sorted()
    let scored = last.filter { text.scoredCount(window: $0, sequenceLength: tokens) > 0 }
    guard !scored.isEmpty else { return nil }
    self.init(text, scored, source: "training text", tokens: tokens)
  }

  private init(_ text: TokenStream, _ windows: [Int], source: String, tokens: Int) {
    self.text = text
    self.windows = windows
    self.source = source
    weights = windows.map {
      Double(text.scoredCount(window: $0, sequenceLength: tokens)) / Double(tokens)
    }
  }
}

/// The mean of windows' losses weighted by the share of scored targets, which is the mean over
/// these targets.
///
/// - Parameter weights: empty where all windows weigh the same.
func meanLoss(_ losses: [Double], weights: [Double]) -> Double {
  let weights = weights.isEmpty ? losses.map { _ in 1.0 } : weights
  let sum = zip(losses, weights).reduce(0) { $0 + $1.0 * $1.1 }
  return losses.isEmpty ? 0 : sum / weights.reduce(0, +)
}

/// A mean difference of losses between two probes on the same windows.
public struct PairedDifference: Hashable, Sendable {
  /// Nats per token; negative: the first is better.
  public var mean: Double
  /// Standard error of the mean over windows.
  public var standardError: Double

  /// - Parameter weights: the windows' weights; empty where all weigh the same.
  public init(_ first: [Double], minus second: [Double], weights: [Double] = []) {
    let differences = zip(first, second).map { $0 - $1 }
    let weights = weights.isEmpty ? differences.map { _ in 1.0 } : weights
    let count = Double(max(1, differences.count))
    let mean = meanLoss(differences, weights: weights)
    let squares = zip(differences, weights).reduce(0) {
      $0 + ($1.0 - mean) * ($1.0 - mean) * $1.1 * $1.1
    }
    self.mean = mean
    // The standard error of a ratio of two sums; with equal weights the usual one.
    let meanWeight = weights.reduce(0, +) / count
    standardError =
      count > 1 ? (squares / (count - 1) / count).squareRoot() / meanWeight : .infinity
  }
}
