#if canImport(Glibc)
  import Glibc
#endif

/// Values of repeated runs, one per run: mean, spread and the confidence interval of the mean.
public struct SampleStatistics: Hashable, Sendable {
  public let values: [Double]

  public init(_ values: [Double]) { self.values = values }

  /// Differences `left` − `right` of two samples paired by key (a seed). Keys in only one of them
  /// are left out.
  public init(_ left: [Int: Double], minus right: [Int: Double]) {
    values = left.keys.sorted().compactMap { key in
      guard let value = left[key], let other = right[key] else { return nil }
      return value - other
    }
  }

  /// Number of values.
  public var count: Int { values.count }

  /// The arithmetic mean; nil without values.
  public var mean: Double? {
    values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }

  /// The standard deviation with n − 1 in the denominator; nil for fewer than two values.
  public var standardDeviation: Double? {
    guard let mean, count > 1 else { return nil }
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    return (squares / Double(count - 1)).squareRoot()
  }

  /// Half the width of the two-sided 95 % confidence interval of the mean, t · sd / √n with Student's
  /// t of n − 1 degrees of freedom; nil for fewer than two values.
  public var halfWidth: Double? {
    standardDeviation.map {
      StudentT.quantile(confidence: 0.95, degreesOfFreedom: count - 1) * $0
        / Double(count).squareRoot()
    }
  }

  /// The 95 % confidence interval of the mean; nil for fewer than two values.
  public var interval: ClosedRange<Double>? {
    guard let mean, let halfWidth, halfWidth.isFinite else { return nil }
    return mean - halfWidth...mean + halfWidth
  }
}

/// Student's t distribution for a whole number of degrees of freedom.
public enum StudentT {
  /// The probability that |T| ≤ tan(angle) · √ν, as finite sums over θ = angle (Abramowitz & Stegun
  /// 1964, 26.7.3 and 26.7.4).
  ///
  ///     ν odd:   2/π · (θ + sin θ · (cos θ + 2/3 · cos³θ + … ))     ν = 1: 2θ/π
  ///     ν even:  sin θ · (1 + 1/2 · cos²θ + 1·3/(2·4) · cos⁴θ + … )
  ///
  /// - Parameters:
  ///   - angle: in [0, π/2].
  ///   - degreesOfFreedom: at least 1.
  static func probability(angle: Double, degreesOfFreedom: Int) -> Double {
    let isOdd = degreesOfFreedom % 2 == 1
    let square = cos(angle) * cos(angle)
    var term = isOdd ? cos(angle) : 1
    var sum = 0.0
    // Term k holds the power 2k + 1 (odd ν) or 2k (even ν) of the cosine, up to ν − 2.
    for k in 0..<degreesOfFreedom / 2 {
      sum += term
      let power = Double(2 * k + (isOdd ? 3 : 2))
      term *= square * (power - 1) / power
    }
    return isOdd ? 2 / Double.pi * (angle + sin(angle) * sum) : sin(angle) * sum
  }

  /// The t with P(|T| ≤ t) = confidence, by bisection to the precision of a Double.
  ///
  /// - Parameters:
  ///   - confidence: in (0, 1).
  ///   - degreesOfFreedom: at least 1.
  public static func quantile(confidence: Double, degreesOfFreedom: Int) -> Double {
    precondition(
      degreesOfFreedom >= 1 && confidence > 0 && confidence < 1,
      "no quantile at \(confidence) with \(degreesOfFreedom) degrees of freedom")
    var (low, high) = (0.0, Double.pi / 2)
    for _ in 0..<100 {
      let middle = (low + high) / 2
      if probability(angle: middle, degreesOfFreedom: degreesOfFreedom) < confidence {
        low = middle
      } else {
        high = middle
      }
    }
    return tan((low + high) / 2) * Double(degreesOfFreedom).squareRoot()
  }
}
