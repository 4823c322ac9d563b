import Datasets
import Training

/// The fixed windows that probes are judged by, and that none of them trains on.
///
/// They are spread evenly over the validation text, which is what the run is to do well on. Without
/// one they come from the end of the training text's first epoch, which probes never reach.
public struct HeldOutWindows: Sendable {
  public let text: TokenStream
  /// Windows of that text, whole ones only.
  public let windows: [Int]
  /// "validation text" or "training text".
  public let source: String
  /// "48 windows of the validation text".
  public var label: String { "\(windows.count) windows of the \(source)" }

  /// About this many windows judge a probe: more would cost more than they tell.
  public static let target = 48
  /// … but not many more tokens than this.
  public static let targetTokens = 16_384

  /// Windows that judge a probe if the text has so many.
  static func wanted(tokens: Int) -> Int { max(4, min(target, targetTokens / tokens)) }

  /// Windows of the training text that probes may train on so that some are left to judge them by.
  static func trainableWindows(
    _ settings: TrainingSettings, text: TokenStream, validation: TokenStream?
  ) -> Int {
    let tokens = settings.shape.tokens
    let held = validation?.windowCount(sequenceLength: tokens, includePartial: false) ?? 0
    if held > 0 { return .max }
    let total = text.windowCount(sequenceLength: tokens, includePartial: false)
    return total - min(wanted(tokens: tokens), max(4, total / 8))
  }

  /// - Parameters:
  ///   - probeWindows: how many windows, from the first of the order, probes train on.
  /// - Returns: nil if neither text has windows to spare.
  public init?(
    _ settings: TrainingSettings, text: TokenStream, validation: TokenStream?, probeWindows: Int
  ) {
    let tokens = settings.shape.tokens
    let wanted = Self.wanted(tokens: tokens)
    if let validation {
      let available = validation.windowCount(sequenceLength: tokens, includePartial: false)
      let count = min(wanted, available)
      if count > 0 {
        self.text = validation
        windows = (0..<count).map { $0 * available / count }
        source = "validation text"
        return
      }
    }
    let total = text.windowCount(sequenceLength: tokens, includePartial: false)
    guard probeWindows <= Self.trainableWindows(settings, text: text, validation: validation)
    else { return nil }
    let spare = min(wanted, total - probeWindows)
    var order = BatchOrder(windowCount: total, seed: settings.seed, shuffle: settings.shuffles)
    self.text = text
    windows = (total - spare..<total).map { order.window(at: $0) }.sorted()
    source = "training text"
  }
}

/// A mean difference of losses between two probes on the same windows.
public struct PairedDifference: Hashable, Sendable {
  /// Nats per token; negative: the first is better.
  public var mean: Double
  /// Standard error of the mean over windows.
  public var standardError: Double

  public init(_ first: [Double], minus second: [Double]) {
    let differences = zip(first, second).map { $0 - $1 }
    let count = Double(max(1, differences.count))
    let mean = differences.reduce(0, +) / count
    let squares = differences.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    self.mean = mean
    standardError = count > 1 ? (squares / (count - 1) / count).squareRoot() : .infinity
  }
}
