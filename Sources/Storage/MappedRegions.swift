import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// Which file is mapped where. A mapped file that is cut short, or whose disk fails, makes the
/// system send SIGBUS when its bytes are touched: the process then ends with a message that names
/// the file.
enum MappedRegions {
  /// One mapping: where it starts, how long it is, and its path as a C string. Empty at a count of 0.
  private struct Region: ~Copyable {
    let start = Atomic<UInt>(0)
    let count = Atomic<Int>(0)
    let path = Atomic<UInt>(0)
  }

  /// More mappings than any command has; one beyond them ends without its name.
  private static let capacity = 1024
  nonisolated(unsafe) private static let regions: UnsafeMutablePointer<Region> = {
    let regions = UnsafeMutablePointer<Region>.allocate(capacity: capacity)
    for index in 0..<capacity { (regions + index).initialize(to: Region()) }
    install()
    return regions
  }()

  /// Several threads may touch what is gone at once; one of them says so.
  private static let isEnding = Atomic<Bool>(false)

  static func add(_ bytes: UnsafeRawBufferPointer, path: String) {
    guard let start = bytes.baseAddress else { return }
    for index in 0..<capacity {
      let region = regions + index
      // Taken with the count that no mapping has, until all of it is there.
      guard
        region.pointee.count.compareExchange(expected: 0, desired: -1, ordering: .acquiring)
          .exchanged
      else { continue }
      region.pointee.start.store(UInt(bitPattern: start), ordering: .relaxed)
      region.pointee.path.store(UInt(bitPattern: strdup(path)), ordering: .relaxed)
      region.pointee.count.store(bytes.count, ordering: .releasing)
      return
    }
  }

  static func remove(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.baseAddress else { return }
    for index in 0..<capacity {
      let region = regions + index
      guard region.pointee.count.load(ordering: .acquiring) == bytes.count,
        region.pointee.start.load(ordering: .relaxed) == UInt(bitPattern: start)
      else { continue }
      let path = region.pointee.path.exchange(0, ordering: .relaxed)
      region.pointee.start.store(0, ordering: .relaxed)
      region.pointee.count.store(0, ordering: .releasing)
      free(UnsafeMutableRawPointer(bitPattern: path))
      return
    }
  }

  private static func install() {
    // Made here, since a handler must not be the first to ask for it.
    isEnding.store(false, ordering: .relaxed)
    var action = sigaction()
    action.__sigaction_handler.sa_sigaction = { _, info, _ in
      let address = UInt(bitPattern: info?.pointee._sifields._sigfault.si_addr)
      MappedRegions.end(touching: address)
    }
    action.sa_flags = SA_SIGINFO
    sigaction(SIGBUS, &action, nil)
  }

  /// Ends the process. Runs in a signal handler: it only reads, and calls nothing but `write`.
  private static func end(touching address: UInt) {
    for index in 0..<capacity {
      let region = regions + index
      let count = region.pointee.count.load(ordering: .acquiring)
      let start = region.pointee.start.load(ordering: .relaxed)
      guard count > 0, address >= start, address - start < UInt(count) else { continue }
      while isEnding.exchange(true, ordering: .acquiringAndReleasing) { pause() }
      say("\nerror: reading '")
      if let path = UnsafePointer<CChar>(
        bitPattern: region.pointee.path.load(ordering: .relaxed))
      {
        _ = write(2, path, strlen(path))
      }
      say(
        "': the file was cut short while it was in use, or its disk failed; put it back and go on\n"
      )
      _exit(74)
    }
    signal(SIGBUS, SIG_DFL)
  }

  private static func say(_ text: StaticString) {
    _ = write(2, text.utf8Start, text.utf8CodeUnitCount)
  }
}
