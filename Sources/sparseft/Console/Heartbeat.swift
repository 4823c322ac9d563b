import Reports

#if canImport(Glibc)
  import Glibc
#endif

/// A line on a terminal that has seen nothing for a while, so that a large model's reading is not taken
/// for a hang.
enum Heartbeat {
  private static let text: StaticString = "reading the model and the text …\n"
  private static let seconds = 1

  /// From now on; once.
  static func begin(isQuiet: Bool) {
    guard !isQuiet, Terminal.standardError.isTTY else { return }
    // Made now: a handler may not make a global for its first use.
    _ = text.utf8CodeUnitCount
    // The handler only writes, and what it interrupts starts again.
    signal(SIGALRM) { _ in _ = write(2, Heartbeat.text.utf8Start, Heartbeat.text.utf8CodeUnitCount)
    }
    alarm(UInt32(seconds))
  }

  /// Something else is said from now on.
  static func end() { alarm(0) }
}
