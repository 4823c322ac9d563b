#if canImport(Glibc)
  import Glibc
  import SystemAllocator
#endif

/// This process's resident memory as the kernel counts it.
public enum ProcessMemory {
  /// Bytes resident now; 0 where the system does not tell.
  public static var residentBytes: Int { status("VmRSS:") }
  /// The most that was resident at once.
  public static var peakResidentBytes: Int { status("VmHWM:") }

  /// Returns the heap's unused memory to the system.
  public static func trim() {
    #if canImport(Glibc)
      malloc_trim(0)
    #endif
  }

  private static func status(_ key: String) -> Int { value(of: key, in: "/proc/self/status") }

  /// The value in kilobytes of a key in one of the kernel's tables, in bytes; 0 if it is missing.
  private static func value(of key: String, in path: String) -> Int {
    guard let file = fopen(path, "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(
        decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      guard text.hasPrefix(key) else { continue }
      let digits = text.dropFirst(key.count).drop { $0 == " " || $0 == "\t" }
      return (Int(digits.prefix { $0.isNumber }) ?? 0) * 1024
    }
    return 0
  }
}
