import Tensors

/// Numbers formatted for people, with a space between figure and unit.
public enum Format {
  /// A time span with two units at most: "85 ms", "1.2 s", "42 s", "1 min 23 s", "2 h 05 min",
  /// "3 d 4 h". Negative and non-finite spans are "?".
  public static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e12 else { return "?" }
    if seconds < 0.0995 { return "\(formatted(seconds * 1000, decimals: 0)) ms" }
    if seconds < 9.95 { return "\(formatted(seconds, decimals: 1)) s" }
    let whole = Int(seconds.rounded())
    let minutes = whole / 60
    let hours = whole / 3600
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(minutes) min \(twoDigits(whole % 60)) s" }
    if hours < 24 { return "\(hours) h \(twoDigits(minutes % 60)) min" }
    return "\(hours / 24) d \(hours % 24) h"
  }

  /// A count with decimal multiples: "950", "12.3 k", "5.3 M", "1.1 B" (billions).
  public static func count(_ value: Int) -> String {
    value.magnitude < 1000 ? "\(value)" : count(Double(value))
  }

  /// A possibly fractional count, for example a rate: "7.3", "950", "12.3 k", "5.3 M".
  public static func count(_ value: Double) -> String {
    guard value.isFinite else { return "?" }
    var scaled = value.magnitude
    if scaled < 9.95 { return formatted(value, decimals: scaled.rounded() == scaled ? 0 : 1) }
    if scaled < 999.5 { return formatted(value, decimals: 0) }
    let units = ["k", "M", "B", "T"]
    var unit = -1
    while scaled >= 999.5, unit + 1 < units.count {
      scaled /= 1000
      unit += 1
    }
    let text = formatted(scaled, decimals: scaled < 99.95 ? 1 : 0)
    return "\(value < 0 ? "-" : "")\(text) \(units[unit])"
  }

  /// A share in [0, 1] as "12.3 %"; whole per cents from 99.95 % on.
  public static func percent(_ share: Double) -> String {
    guard share.isFinite else { return "?" }
    let value = share * 100
    return "\(formatted(value, decimals: value.magnitude < 99.95 ? 1 : 0)) %"
  }

  /// Bytes in binary multiples, as `ByteCount` writes them: "12.3 MiB".
  public static func bytes(_ count: Int) -> String { ByteCount(count).description }

  /// A loss in nats, always with four decimals so that the lines of a run align.
  public static func loss(_ value: Double) -> String { formatted(value, decimals: 4) }

  /// A difference of losses with its sign: "+0.0213", "−0.4977".
  public static func lossDifference(_ value: Double) -> String {
    (value < 0 ? "−" : "+") + loss(abs(value))
  }

  /// A learning rate with three significant digits: "0.00412", "0.0300".
  public static func rate(_ value: Double) -> String {
    guard value > 0, value.isFinite else { return formatted(value, decimals: 0) }
    var (decimals, scaled) = (2, value)
    while scaled < 1, decimals < 12 {
      scaled *= 10
      decimals += 1
    }
    return formatted(value, decimals: decimals)
  }

  /// How a run treats its frozen lowest blocks, in one sentence; nil if there are none.
  ///
  /// - Parameter cacheBytes: disk space for caching the frozen blocks' outputs; 0: not cached.
  public static func frozenPrefix(_ blocks: Int, cacheBytes: Int) -> String? {
    guard blocks > 0 else { return nil }
    let subject =
      blocks == 1 ? "the lowest block is frozen" : "the lowest \(blocks) blocks are frozen"
    guard cacheBytes > 0 else { return subject + " and computed in every step" }
    return subject + ": computed once for each window that comes again, then read from up to "
      + "\(bytes(cacheBytes)) on disk"
  }

  private static func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
