#if canImport(Glibc)
  import Glibc
#endif

/// The machine's own counters of energy: RAPL's domains in `powercap`, or those that `hwmon` has of
/// sockets. They count what the processors took, for all programs; nothing is estimated.
public final class EnergyMeter {
  /// A file that holds microjoules since some moment.
  private struct Counter {
    let path: String
    /// The value at which it starts again at 0; nil if it does not.
    let range: UInt64?
    var last: UInt64
  }

  private var counters: [Counter]

  /// - Parameter root: the folder of `powercap` and `hwmon`.
  /// - Returns: nil where the machine has no such counters, or this process may not read them.
  public init?(root: String = "/sys/class") {
    let rapl = Self.domains(root + "/powercap")
    counters = rapl.isEmpty ? Self.sockets(root + "/hwmon") : rapl
    if counters.isEmpty { return nil }
  }

  /// Joules since the last call, or since the meter was made; nil where a counter can't be read any
  /// more.
  public func joules() -> Double? {
    var sum = 0.0
    for index in counters.indices {
      guard let now = Self.number(counters[index].path) else { return nil }
      let last = counters[index].last
      counters[index].last = now
      if now >= last {
        sum += Double(now - last)
      } else if let range = counters[index].range, range >= last {
        sum += Double(range - last) + Double(now)
      } else {
        return nil
      }
    }
    return sum / 1e6
  }

  /// Packages and their memory. `psys` counts these again, `core` and `uncore` are parts of them.
  private static func domains(_ folder: String) -> [Counter] {
    names(folder).filter { $0.hasPrefix("intel-rapl:") }.compactMap { name in
      let zone = "\(folder)/\(name)"
      guard let kind = text(zone + "/name"), kind.hasPrefix("package") || kind == "dram" else {
        return nil
      }
      return counter(zone + "/energy_uj", range: number(zone + "/max_energy_range_uj"))
    }
  }

  /// The inputs whose labels name sockets.
  private static func sockets(_ folder: String) -> [Counter] {
    names(folder).filter { $0.hasPrefix("hwmon") }.flatMap { chip in
      names("\(folder)/\(chip)").filter { $0.hasPrefix("energy") && $0.hasSuffix("_input") }
        .compactMap { input in
          let path = "\(folder)/\(chip)/\(input)"
          guard text(path.dropLast(5) + "label")?.hasPrefix("Esocket") == true else { return nil }
          return counter(path, range: nil)
        }
    }
  }

  private static func counter(_ path: String, range: UInt64?) -> Counter? {
    number(path).map { Counter(path: path, range: range, last: $0) }
  }

  private static func names(_ folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    return names.sorted()
  }

  /// A file's first line of at most 63 bytes.
  private static func text(_ path: some StringProtocol) -> String? {
    let file = open(String(path), O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = read(file, &bytes, 63)
    guard count > 0 else { return nil }
    return String(decoding: bytes[..<count].prefix { $0 != 10 }, as: UTF8.self)
  }

  private static func number(_ path: String) -> UInt64? { text(path).flatMap { UInt64($0) } }
}
