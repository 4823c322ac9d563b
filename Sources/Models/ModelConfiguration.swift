import Tensors

/// How rotary frequencies are scaled for contexts longer than the pre-trained one.
public enum RotaryScaling: Hashable, Codable, Sendable {
  case none
  /// Position interpolation (Chen et al. 2023): every frequency divided by `factor`.
  case linear(factor: Double)
  /// Llama 3.1's rule: low frequencies divided by `factor`, high ones kept, a ramp between.
  case llama3(
    factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double,
    originalContextLength: Int)
}

/// The shape of a decoder. All widths are in elements.
///
/// Letters used in shapes: D width, H hidden width, V vocabulary, L layers, hw head width.
public struct ModelConfiguration: Hashable, Codable, Sendable {
  /// The name of the model's family (`ModelFamilies`).
  public var family: String
  /// D, the width of the residual stream.
  public var width: Int
  /// H, the width inside the MLP.
  public var hiddenWidth: Int
  public var layers: Int
  public var queryHeads: Int
  public var keyValueHeads: Int
  /// hw; D / queryHeads unless the checkpoint says otherwise.
  public var headWidth: Int
  public var vocabularySize: Int
  /// The longest sequence that the model was trained for, in tokens.
  public var contextLength: Int
  public var normEpsilon: Double
  public var rotaryBase: Double
  public var rotaryScaling: RotaryScaling
  /// The head is the transposed embedding: no `head` tensor.
  public var tiedHead: Bool
  /// Biases on query, key and value (Qwen2); with `outputBias` on the output projection as well.
  public var attentionBias: Bool
  public var outputBias: Bool
  public var mlpBias: Bool
  /// How many tokens local blocks see, their own included; nil: no block is local.
  public var slidingWindow: Int?
  /// Which blocks are local, from the lowest on and repeated over all of them; empty: with a
  /// `slidingWindow` all are. `reach(layer:)` reads it.
  public var attentionPattern: [AttentionReach]
  /// The rotary base of local blocks, whose positions are not scaled; nil: as in global ones.
  public var localRotaryBase: Double?
  /// Queries and keys are normalised head by head before their rotation, with a gain [hw] for all
  /// query heads of a block and one for its key heads (Henry et al. 2020).
  public var queryKeyNorm: Bool
  /// The activation of the MLPs' gates.
  public var activation: Activation
  /// The factor on the rows of the embedding where they enter the residual stream.
  public var embeddingScale: Double
  /// The factor on attention's scores; nil for 1/√hw.
  public var attentionScale: Double?

  public init(
    family: String = Llama.name, width: Int, hiddenWidth: Int, layers: Int, queryHeads: Int,
    keyValueHeads: Int,
    headWidth: Int, vocabularySize: Int, contextLength: Int, normEpsilon: Double = 1e-5,
    rotaryBase: Double = 10_000, rotaryScaling: RotaryScaling = .none, tiedHead: Bool,
    attentionBias: Bool = false, outputBias: Bool = false, mlpBias: Bool = false,
    slidingWindow: Int? = nil, attentionPattern: [AttentionReach] = [],
    localRotaryBase: Double? = nil, queryKeyNorm: Bool = false, activation: Activation = .silu,
    embeddingScale: Double = 1, attentionScale: Double? = nil
  ) {
    self.family = family
    self.width = width
    self.hiddenWidth = hiddenWidth
    self.layers = layers
    self.queryHeads = queryHeads
    self.keyValueHeads = keyValueHeads
    self.headWidth = headWidth
    self.vocabularySize = vocabularySize
    self.contextLength = contextLength
    self.normEpsilon = normEpsilon
    self.rotaryBase = rotaryBase
    self.rotaryScaling = rotaryScaling
    self.tiedHead = tiedHead
    self.attentionBias = attentionBias
    self.outputBias = outputBias
    self.mlpBias = mlpBias
    self.slidingWindow = slidingWindow
    self.attentionPattern = attentionPattern
    self.localRotaryBase = localRotaryBase
    self.queryKeyNorm = queryKeyNorm
    self.activation = activation
    self.embeddingScale = embeddingScale
    self.attentionScale = attentionScale
  }

  public var queryWidth: Int { queryHeads * headWidth }
  public var keyValueWidth: Int { keyValueHeads * headWidth }
}

extension ModelConfiguration {
  /// What makes these numbers unusable, or nil. Bounds keep every product of extents within Int.
  public var problem: String? {
    guard ModelFamilies.named(family) != nil else {
      let known = ModelFamilies.all.map { $0.name }.joined(separator: ", ")
      return "family is '\(family)', expected \(known)"
    }
    return extentProblem ?? headProblem ?? scaleProblem ?? rotaryScaling.problem ?? reachProblem
  }

  private var extentProblem: String? {
    let extents = [
      ("width", width, 1 << 20), ("hiddenWidth", hiddenWidth, 1 << 22), ("layers", layers, 4096),
      ("queryHeads", queryHeads, 1 << 16), ("keyValueHeads", keyValueHeads, 1 << 16),
      ("headWidth", headWidth, 1 << 16), ("vocabularySize", vocabularySize, 1 << 24),
      ("contextLength", contextLength, 1 << 26),
    ]
    for (name, value, limit) in extents where !(1...limit).contains(value) {
      return "\(name) is \(value), expected 1 to \(limit)"
    }
    for (name, value) in [("hiddenWidth", hiddenWidth), ("queryHeads · headWidth", queryWidth)]
    where value > Self.widest * width {
      return "\(name) is \(value), more than \(Self.widest) times the width of \(width)"
    }
    return nil
  }

  /// How many times as wide as the residual stream the inside of a block may be. Models have up to
  /// 8; without a bound the activations of a small file could take any amount of memory.
  private static let widest = 256

  private var headProblem: String? {
    if queryWidth > 1 << 22 { return "queryHeads · headWidth is \(queryWidth), too large" }
    if queryHeads % keyValueHeads != 0 {
      return "queryHeads \(queryHeads) is not a multiple of keyValueHeads \(keyValueHeads)"
    }
    if headWidth % 2 != 0 { return "headWidth \(headWidth) is odd; rotary positions need pairs" }
    return nil
  }

  private var scaleProblem: String? {
    if !(normEpsilon > 0 && normEpsilon < 1) {
      return "normEpsilon \(normEpsilon) is not in (0, 1)"
    }
    if !(rotaryBase > 1 && rotaryBase.isFinite) { return "rotaryBase \(rotaryBase) is not above 1" }
    let scales = [("embeddingScale", embeddingScale), ("attentionScale", attentionScale ?? 1)]
    for (name, value) in scales where !(Self.usableScales.contains(value)) {
      return "\(name) \(value) is not in \(Self.usableScales)"
    }
    return nil
  }

  /// Factors that a float can hold with room for what they multiply.
  private static let usableScales = 1e-6...1e6
}

extension RotaryScaling {
  /// What makes the scaling unusable, or nil.
  var problem: String? {
    switch self {
    case .none: return nil
    case .linear(let factor):
      return factor >= 1 && factor.isFinite ? nil : "rotary scaling factor \(factor) is below 1"
    case .llama3(let factor, let low, let high, let length):
      guard factor >= 1, factor.isFinite, low > 0, high > low, high.isFinite, length > 0 else {
        return "llama3 rotary scaling needs factor ≥ 1 and 0 < low < high frequency factor"
      }
      return nil
    }
  }
}
