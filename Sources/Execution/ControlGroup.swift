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
