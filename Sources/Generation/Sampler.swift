import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Draws the next token from logits.
public struct Sampler: Sendable {
  /// 0 always takes the most likely token.
  public var temperature: Double
  /// Draws from the most likely tokens that together reach this probability (Holtzman et al. 2020).
  public var topP: Double
  private var random: RandomSource

  public init(temperature: Double, topP: Double, seed: UInt64) {
    self.temperature = temperature
    self.topP = topP
    random = RandomSource(seed: seed, stream: 0x5341_4D50)
  }

  /// The index of the token drawn.
  public mutating func draw(_ logits: UnsafeBufferPointer<Float>) -> Int {
    guard let likeliest = logits.indices.max(by: { logits[$0] < logits[$1] }) else { return 0 }
    guard temperature > 0 else { return likeliest }
    let top = Double(logits[likeliest])
    var weights = logits.indices.map {
      (index: $0, weight: exp((Double(logits[$0]) - top) / temperature))
    }
    let total = weights.reduce(0) { $0 + $1.weight }
    if topP < 1 {
      // Tokens below this share can't belong to the set; sorting only the others is enough.
      let cutoff = (1 - topP) / Double(max(1, weights.count - 1)) * total
      weights = weights.filter { $0.weight >= cutoff }.sorted { $0.weight > $1.weight }
      var reached = 0.0
      if let end = weights.firstIndex(where: {
        reached += $0.weight
        return reached >= topP * total
      }) {
        weights.removeSubrange((end + 1)...)
      }
    }
    var rest = random.uniform() * weights.reduce(0) { $0 + $1.weight }
    for (index, weight) in weights {
      rest -= weight
      if rest < 0 { return index }
    }
    return weights.last { $0.weight > 0 }?.index ?? likeliest
  }
}
