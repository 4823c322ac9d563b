import ArgumentParser
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// Ctrl-C: the first one asks the run to save and stop, the second one ends the process.
enum Interruption {
  private static let requested = Atomic<Bool>(false)

  static var isRequested: Bool { requested.load(ordering: .relaxed) }

  /// Starts handling SIGINT and SIGTERM.
  static func listen() {
    let handler: @convention(c) (Int32) -> Void = { number in
      if Interruption.requested.exchange(true, ordering: .relaxed) { _exit(128 + number) }
    }
    signal(SIGINT, handler)
    signal(SIGTERM, handler)
  }

  /// - Throws: `ExitCode` if Ctrl-C was pressed.
  static func check() throws {
    guard isRequested else { return }
    Output.note("stopped")
    throw ExitCode(ExitStatus.interrupted)
  }

  /// Makes a closed pipe (`sparseft … | head`) a failed write instead of a signal; likewise for a
  /// file that exceeds a size limit.
  static func ignoreBrokenPipes() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }
}
