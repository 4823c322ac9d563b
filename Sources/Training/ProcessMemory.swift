import Execution

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

  /// A value of the kernel's table, which has kilobytes, in bytes.
  private static func status(_ key: String) -> Int {
    (SystemTable("/proc/self/status")[key] ?? 0) * 1024
  }
}
