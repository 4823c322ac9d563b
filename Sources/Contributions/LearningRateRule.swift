import Adaptations
import Models
import Tensors
import Training

/// rate = C / Σ|g|₁ over what is trained: a step of AdamW moves every element by about the rate, so
/// to first order each set of tensors lowers the loss by the same C in a step (for SGD, whose step is
/// the gradient itself, Σg² takes the place of Σ|g|).
public struct LearningRateRule: Hashable, Sendable {
  /// C, in nats per step to first order; calibrated on the model, the text and one scheme.
  public var constant: Double
  /// A rate that the recipe fixes for any scheme; C is then ignored.
  public var fixedRate: Double?
  /// The rates that the rule gives before a calibration; nil for any.
  public var bounds: ClosedRange<Double>?
  private let sizes: [String: Double]
  private let configuration: ModelConfiguration

  /// C before any calibration; docs/selection.md lists calibrated values. Of factors and of units
  /// only one matrix has a gradient at first, but all move.
  static func firstConstant(of family: RateFamily) -> Double {
    switch family {
    case .tensors, .vectors: 4
    case .factors, .units: 2
    }
  }

  /// Rates that a pretrained model bears and learns at with AdamW, by what trains. Those of whole
  /// tensors and factors, and the highest of vectors, are measured on SmolLM2-135M, whose width is 576;
  /// docs/selection.md has the figures. Units take those of factors: at width 64 hidden units and
  /// ladders were best at 0.009 to 0.027 (docs/little-memory.md), the upper end of these.
  /// Matrices of other widths get them in inverse proportion (Yang et al. 2022), vectors the same.
  ///
  /// The lower bound is for gradients of little text, which are mostly noise, so that Σ|g| is too
  /// large.
  static func bounds(of family: RateFamily, width: Int) -> ClosedRange<Double> {
    let scale = 576 / Double(width)
    return switch family {
    case .tensors: 1e-4 * scale...1e-3 * scale
    case .factors, .units: 3e-4 * scale...3e-3 * scale
    case .vectors: 1e-3...1e-2
    }
  }

  /// - Parameter scores: scores of every tensor that may train; tensors below the scanned blocks
  ///   get the score of their kind in the lowest scanned block.
  /// - Parameter family: what trains.
  public init(
    _ scores: [String: GradientScore], optimizer: Optimizer, configuration: ModelConfiguration,
    fixedRate: Double? = nil, family: RateFamily = .tensors
  ) {
    constant = Self.firstConstant(of: family)
    self.fixedRate = fixedRate
    self.configuration = configuration
    if case .adamW = optimizer {
      bounds = Self.bounds(of: family, width: configuration.width)
    }
    sizes = scores.mapValues { Self.size(of: $0, optimizer) }
  }

  /// Σ|g| or, for SGD, Σg².
  static func size(of score: GradientScore, _ optimizer: Optimizer) -> Double {
    if case .sgd = optimizer { score.fisher } else { score.absolute }
  }

  /// The size of a scheme's gradient; shares count in proportion.
  public func gradientSize(of scheme: [String: Double]) -> Double {
    scheme.sorted { $0.key < $1.key }.reduce(0) { $0 + size(of: $1.key) * $1.value }
  }

  public func rate(for scheme: [String: Double]) -> Double {
    rate(forSize: gradientSize(of: scheme))
  }

  /// - Parameter size: the gradient size of everything that trains.
  public func rate(forSize size: Double) -> Double {
    if let fixedRate { return fixedRate }
    let rate = size > 0 && size.isFinite ? constant / size : 1e-3
    guard let bounds else { return min(1, rate) }
    return max(bounds.lowerBound, min(bounds.upperBound, rate))
  }

  private func size(of path: String) -> Double {
    if let known = sizes[path] { return known }
    guard let place = ParameterPath(path), let layer = place.layer else { return 0 }
    let others = (layer..<max(layer, configuration.layers)).lazy.compactMap {
      sizes[ParameterPath(layer: $0, place.role).description]
    }
    return others.first ?? 0
  }
}
