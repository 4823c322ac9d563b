import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Memory that this process may still take.
public enum SystemMemory {
  /// Bytes that can be allocated before the system, the process's control group or its own limit
  /// (`ulimit -v`) runs short; nil where none of them tells.
  public static var availableBytes: Int? {
    [machine, ControlGroup.availableBytes(), addressSpace].compactMap { $0 }.min()
  }

  private static var machine: Int? {
    SystemTable("/proc/meminfo")["MemAvailable:"].map { $0 * 1024 }
  }

  private static var addressSpace: Int? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0,
      limit.rlim_cur < UInt64(Int.max)
    else { return nil }
    let used = (SystemTable("/proc/self/status")["VmSize:"] ?? 0) * 1024
    return max(0, Int(limit.rlim_cur) - used)
  }
}

/// The limits that containers and services set: control groups, version 2 and 1.
package enum ControlGroup {
  /// The least that is left in this process's group and those around it; nil without a limit.
  ///
  /// - Parameters:
  ///   - membership: the file that names the process's groups.
  ///   - root: where the groups' files are.
  package static func availableBytes(
    membership: String = "/proc/self/cgroup", root: String = "/sys/fs/cgroup"
  ) -> Int? {
    let lines = textLines(membership).map { $0.split(separator: ":", maxSplits: 2) }
    var left: [Int] = []
    for line in lines where line.count == 3 || (line.count == 2 && line[0] == "0") {
      let path = String(line[line.count - 1])
      if line.count == 2 || line[0] == "0" {
        left += around(path).compactMap {
          remaining(
            root + $0, limit: "memory.max", usage: "memory.current", cached: "inactive_file")
        }
      } else if line[1].split(separator: ",").contains("memory") {
        left += around(path).compactMap {
          remaining(
            root + "/memory" + $0, limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes",
            cached: "total_inactive_file")
        }
      }
    }
    return left.min()
  }

  /// A group's path and those of the groups around it, up to the root.
  private static func around(_ path: String) -> [String] {
    var parts = path.split(separator: "/")
    var paths: [String] = []
    while true {
      paths.append(parts.map { "/\($0)" }.joined())
      if parts.isEmpty { return paths }
      parts.removeLast()
    }
  }

  /// A group's limit less its use; the page cache of files that nobody has open makes room.
  private static func remaining(
    _ folder: String, limit: String, usage: String, cached: String
  ) -> Int? {
    guard let limit = textLines("\(folder)/\(limit)").first.flatMap({ Int($0) }),
      let usage = textLines("\(folder)/\(usage)").first.flatMap({ Int($0) })
    else { return nil }
    let reclaimable = SystemTable("\(folder)/memory.stat")[cached] ?? 0
    return max(0, limit - max(0, usage - reclaimable))
  }
}

/// One of the kernel's tables of names and values, a line each.
struct SystemTable {
  private let path: String

  init(_ path: String) { self.path = path }

  /// The number after a name, in the table's unit; nil if it is missing.
  subscript(name: String) -> Int? { text(name).flatMap { Int($0) } }

  /// The word after a name; nil if it is missing.
  func text(_ name: String) -> Substring? {
    for line in textLines(path) {
      let words = line.split(whereSeparator: \.isWhitespace)
      if words.count > 1, words[0] == name { return words[1] }
    }
    return nil
  }
}

/// The lines of a small file; none if it can't be read.
private func textLines(_ path: String) -> [String] {
  guard let file = fopen(path, "re") else { return [] }
  defer { fclose(file) }
  var lines: [String] = []
  var line = [CChar](repeating: 0, count: 512)
  while fgets(&line, Int32(line.count), file) != nil {
    let text = String(
      decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    lines.append(text.hasSuffix("\n") ? String(text.dropLast()) : text)
  }
  return lines
}
