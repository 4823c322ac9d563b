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

  /// Bytes of the machine's memory; nil if the system does not tell.
  public static var totalBytes: Int? {
    SystemTable("/proc/meminfo")["MemTotal:"].map { $0 * 1024 }
  }

  /// Refuses memory that is not there, before any of it is taken.
  /// - Throws: `ExecutionError.outOfMemory`.
  public static func check(_ bytes: Int) throws(ExecutionError) {
    if let available = availableBytes, bytes > available {
      throw .outOfMemory(bytes: bytes, available: available)
    }
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
