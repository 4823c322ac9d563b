import Graphs
import Operations
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Cosine and sine of every position's angles, [positions, hw/2] each.
struct RotaryTable {
  let cosine: [Float]
  let sine: [Float]
  let positions: Int
  let halfWidth: Int

  init(_ configuration: ModelConfiguration, reach: AttentionReach, positions: Int) {
    self.positions = positions
    halfWidth = configuration.headWidth / 2
    let frequencies = Self.frequencies(configuration, reach)
    var cosine: [Float] = []
    var sine: [Float] = []
    cosine.reserveCapacity(positions * halfWidth)
    sine.reserveCapacity(positions * halfWidth)
    for position in 0..<positions {
      for frequency in frequencies {
        let angle = Double(position) * frequency
        cosine.append(Float(cos(angle)))
        sine.append(Float(sin(angle)))
      }
    }
    (self.cosine, self.sine) = (cosine, sine)
  }

  /// θ_i = base^(−2i/hw) (Su et al. 2021), scaled as the configuration says. A base of local blocks'
  /// own is not scaled: what they see is no longer than what they were trained for.
  static func frequencies(
    _ configuration: ModelConfiguration, _ reach: AttentionReach = .global
  ) -> [Double] {
    let width = Double(configuration.headWidth)
    let localBase = reach == .local ? configuration.localRotaryBase : nil
    return (0..<configuration.headWidth / 2).map { index in
      let plain = pow(localBase ?? configuration.rotaryBase, -2 * Double(index) / width)
      return localBase == nil ? scaled(plain, by: configuration.rotaryScaling) : plain
    }
  }

  static func scaled(_ frequency: Double, by scaling: RotaryScaling) -> Double {
    switch scaling {
    case .none: return frequency
    case .linear(let factor): return frequency / factor
    case .llama3(let factor, let low, let high, let length):
      let wavelength = 2 * Double.pi / frequency
      let ratio = Double(length) / wavelength
      if ratio > high { return frequency }
      if ratio < low { return frequency / factor }
      let smooth = (ratio - low) / (high - low)
      return (1 - smooth) * frequency / factor + smooth * frequency
    }
  }
}
