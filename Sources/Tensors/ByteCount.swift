/// Formats byte counts for people: binary multiples with three significant figures ("12.3 MiB").
public struct ByteCount: Hashable, Sendable, CustomStringConvertible {
  public let bytes: Int

  public init(_ bytes: Int) { self.bytes = bytes }

  public var description: String {
    let units = ["KiB", "MiB", "GiB", "TiB"]
    if bytes < 1024 { return "\(bytes) B" }
    var value = Double(bytes) / 1024
    var unit = 0
    while value >= 1023.5, unit + 1 < units.count {
      value /= 1024
      unit += 1
    }
    let decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
    return "\(formatted(value, decimals: decimals)) \(units[unit])"
  }
}

/// `value` with a fixed number of decimals, without Foundation's locale machinery.
public func formatted(_ value: Double, decimals: Int) -> String {
  guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
  var factor = 1.0
  for _ in 0..<decimals { factor *= 10 }
  let scaled = (value.magnitude * factor).rounded()
  guard scaled < 9e15 else { return "\(value)" }
  let digits = String(Int(scaled))
  let sign = value < 0 && scaled > 0 ? "-" : ""
  guard decimals > 0 else { return sign + digits }
  let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
  let split = padded.index(padded.endIndex, offsetBy: -decimals)
  return sign + padded[..<split] + "." + padded[split...]
}
