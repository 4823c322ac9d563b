#if canImport(Glibc)
  import Glibc
#endif

extension RotaryScaling {
  /// How far a factor may be from the rule's, relatively: files keep singles that were computed in
  /// singles.
  private static let tolerance = 2e-5

  /// The rule that gives these factors on wavelengths, or nil if none does.
  ///
  /// Llama 3's files keep factors instead of the rule: 1 for short wavelengths, the rule's factor
  /// for long ones, and between them 1 / ((1 − s) / factor + s), where s rises linearly with the
  /// frequency. The line through s has two numbers, the rule three; the original context length is
  /// the one to choose freely. Llama 3's own numbers are tried first.
  ///
  /// - Parameters:
  ///   - factors: one for each pair of a head, from the highest frequency down.
  ///   - base: the rotary base of the unscaled frequencies.
  ///   - originalContextLength: the length of pre-training's texts, if it is known.
  init?(factors: [Float], base: Double, headWidth: Int, originalContextLength: Int?) {
    guard factors.count == headWidth / 2, let first = factors.first, let last = factors.last,
      factors.allSatisfy({ $0 >= 0.999 && $0.isFinite })
    else { return nil }
    let frequencies = factors.indices.map { pow(base, -2 * Double($0) / Double(headWidth)) }
    let length = originalContextLength ?? 8192
    var candidates: [RotaryScaling] = [
      .none, .linear(factor: Double(first)),
      .llama3(
        factor: Double(last), lowFrequencyFactor: 1, highFrequencyFactor: 4,
        originalContextLength: length),
    ]
    if let fitted = Self.fitted(factors, frequencies, length: length) { candidates.append(fitted) }
    guard let rule = candidates.first(where: { $0.gives(factors, frequencies) }) else { return nil }
    self = rule
  }

  /// Whether a rule gives these factors.
  private func gives(_ factors: [Float], _ frequencies: [Double]) -> Bool {
    zip(factors, frequencies).allSatisfy { factor, frequency in
      let expected = frequency / RotaryTable.scaled(frequency, by: self)
      return (Double(factor) / expected - 1).magnitude <= Self.tolerance
    }
  }

  /// The rule of Llama 3's kind by the line through the outermost factors of its ramp.
  private static func fitted(
    _ factors: [Float], _ frequencies: [Double], length: Int
  ) -> RotaryScaling? {
    guard let factor = factors.last.map(Double.init), factor > 1 else { return nil }
    let ramp = zip(factors, frequencies).compactMap { value, frequency -> (Double, Double)? in
      let smooth = (1 / Double(value) - 1 / factor) / (1 - 1 / factor)
      return smooth > 1e-4 && smooth < 1 - 1e-4 ? (frequency, smooth) : nil
    }
    guard let high = ramp.first, let low = ramp.last, high.0 > low.0 else { return nil }
    let slope = (high.1 - low.1) / (high.0 - low.0)
    // s = slope · frequency + constant is (length · frequency / 2π − low) / (high − low).
    let constant = low.1 - slope * low.0
    let difference = Double(length) / (2 * Double.pi * slope)
    let lowFactor = -constant * difference
    guard difference > 0, difference.isFinite, lowFactor > 0 else { return nil }
    return .llama3(
      factor: factor, lowFrequencyFactor: lowFactor, highFrequencyFactor: lowFactor + difference,
      originalContextLength: length)
  }
}
