import Reports
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Maps values of an axis to a stretch of a drawing, with round values to label.
struct Scale {
  let low: Double
  let high: Double
  let isLogarithmic: Bool
  /// Where `low` and `high` are drawn.
  let start: Double
  let end: Double

  /// - Parameters:
  ///   - values: all that is drawn; those that are not finite do not count.
  ///   - includesZero: begin or end at zero.
  ///   - mayBeLogarithmic: count magnitudes where the values span more than a factor of 30, or where a
  ///     few of them would leave the others no room.
  init(
    _ values: some Sequence<Double>, from start: Double, to end: Double,
    includesZero: Bool = false, mayBeLogarithmic: Bool = false, padding: Double = 0
  ) {
    (self.start, self.end) = (start, end)
    var (low, high) = (Double.infinity, -Double.infinity)
    // So that differences of two of them are finite.
    for value in values where value.isFinite && value.magnitude < 1e300 {
      low = min(low, value)
      high = max(high, value)
    }
    if low > high { (low, high) = (0, 1) }
    if includesZero { (low, high) = (min(low, 0), max(high, 0)) }
    isLogarithmic =
      mayBeLogarithmic && low > 1e-9 && high > low
      && (high / low > 30 || Self.hasOutliers(values, low: low, high: high))
    if high <= low {
      let room = low == 0 ? 1 : low.magnitude * 0.1
      (low, high) = (includesZero && low == 0 ? 0 : low - room, high + room)
    } else if isLogarithmic {
      let factor = pow(high / low, padding)
      (low, high) = (low / factor, high * factor)
    } else {
      let room = (high - low) * padding
      (low, high) = (includesZero && low == 0 ? 0 : low - room, high + room)
    }
    (self.low, self.high) = (low, high)
  }

  /// Whether the highest fiftieth of the values takes more than four fifths of their range.
  private static func hasOutliers(
    _ values: some Sequence<Double>, low: Double, high: Double
  ) -> Bool {
    let sorted = values.filter(\.isFinite).sorted()
    guard high / low > 2, sorted.count > 20 else { return false }
    return sorted[sorted.count * 49 / 50] - low < (high - low) / 5
  }

  /// Where a value is drawn; values outside stay at the edge.
  func place(_ value: Double) -> Double {
    let share =
      isLogarithmic
      ? log(max(value, low) / low) / log(high / low) : (value - low) / (high - low)
    return start + (end - start) * min(1, max(0, share.isFinite ? share : 0))
  }

  /// Values within the scale that are round in a unit, about as many as asked for.
  func ticks(_ wanted: Int, _ unit: AxisUnit = .plain) -> [Double] {
    if isLogarithmic {
      let decades =
        Int(
          log10(low).rounded(.up))...max(
          Int(log10(low).rounded(.up)), Int(log10(high).rounded(.down)))
      let all = decades.map { pow(10, Double($0)) }.filter { (low...high).contains($0) }
      if all.count >= 3 {
        let every = (all.count + wanted - 1) / wanted
        return all.enumerated().filter { $0.offset % every == 0 }.map(\.element)
      }
      let first = Int(log10(low).rounded(.down))
      return (first...first + 3).flatMap { power in
        [1.0, 2, 5].map { $0 * pow(10, Double(power)) }
      }.filter { (low...high).contains($0) }
    }
    let step = Self.roundStep((high - low) / Double(max(1, wanted)), unit)
    let first = (low / step).rounded(.up)
    return (0...2 * max(1, wanted) + 2).map { (first + Double($0)) * step }
      .filter { $0 <= high + step * 1e-9 }
  }

  private static func roundStep(_ rough: Double, _ unit: AxisUnit) -> Double {
    guard rough > 0, rough.isFinite else { return 1 }
    switch unit {
    case .bytes: return max(1, pow(2, log2(rough).rounded(.up)))
    case .count where rough < 1: return 1
    case .seconds where rough > 10:
      let steps = [
        15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400,
      ]
      if let step = steps.first(where: { Double($0) >= rough }) { return Double(step) }
      return 86400 * roundStep(rough / 86400, .plain)
    default: break
    }
    let power = pow(10, log10(rough).rounded(.down))
    guard power > 0, power.isFinite else { return rough }
    let lead = rough / power
    return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10)
  }

  /// Decimals that tell neighbouring ticks apart.
  static func decimals(_ ticks: [Double]) -> Int {
    guard ticks.count > 1 else { return 2 }
    let gap = zip(ticks.dropFirst(), ticks).map { $0 - $1 }.min() ?? 1
    return gap > 1e-12 && gap.isFinite ? min(6, max(0, Int((-log10(gap) - 1e-9).rounded(.up)))) : 2
  }
}

/// How an axis spells its values.
enum AxisUnit {
  /// Losses in nats, or other plain numbers.
  case plain
  /// Whole numbers such as steps.
  case count
  case bytes
  case seconds

  func label(_ value: Double, among ticks: [Double]) -> String {
    switch self {
    case .plain:
      value.magnitude >= 1e5 || (value != 0 && value.magnitude < 1e-4)
        ? "\(Float(value))" : formatted(value, decimals: Scale.decimals(ticks))
    case .count: Self.shortened(Format.count(value))
    case .bytes:
      value == 0
        ? "0" : Int(exactly: value.rounded()).map { Self.shortened(Format.bytes($0)) } ?? "?"
    case .seconds: value == 0 ? "0" : Self.shortened(Format.duration(value))
    }
  }

  /// "64.0 MiB" as "64 MiB", and "5 min 00 s" as "5 min".
  private static func shortened(_ text: String) -> String {
    text.replacing(".00 ", with: " ").replacing(".0 ", with: " ").replacing(" 00 s", with: "")
      .replacing(" 00 min", with: "")
  }
}
