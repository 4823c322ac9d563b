import ArgumentParser
import Reports
import Synchronization
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Requests to stop: Ctrl-C, `kill`, a closed terminal, and a reader of standard output that is
/// gone. The command saves what it has and ends; further requests do not keep it from saving.
enum Interruption {
  /// The number of the first signal; 0 for none.
  private static let signalNumber = Atomic<Int32>(0)
  /// Whether there may be something to save; if not, a signal ends the process at once.
  private static let isSaving = Atomic<Bool>(false)
  /// The process of a comparison's member, which is told too; 0 for none.
  private static let child = Atomic<Int32>(0)
  /// The first failure of writing to standard output.
  nonisolated(unsafe) private(set) static var outputFailure: (any Failure)?

  private static let signals = [SIGINT, SIGTERM, SIGHUP]

  /// The process that started this one, if this one ends with it; 0 for none.
  nonisolated(unsafe) private static var parent: pid_t = 0

  static var isRequested: Bool {
    if parent > 0, getppid() != parent { handler(SIGTERM) }
    return signalNumber.load(ordering: .relaxed) != 0 || outputFailure != nil
  }

  /// 130 after Ctrl-C, 143 after SIGTERM, 129 after a closed terminal; 74 where standard output is
  /// closed or full.
  static var exitCode: Int32 {
    let number = signalNumber.load(ordering: .relaxed)
    return number == 0 ? ExitStatus.code(for: .inputOutput) : 128 + number
  }

  /// Starts handling signals. Until `save` they end the process, which says so.
  static func listen() {
    // So that the handler finds them initialised.
    _ = (signalNumber.load(ordering: .relaxed), isSaving.load(ordering: .relaxed))
    _ = child.load(ordering: .relaxed)
    for number in signals {
      let earlier = signal(number, handler)
      // As `nohup` asks.
      if number == SIGHUP, unsafeBitCast(earlier, to: Int.self) == 1 { signal(number, SIG_IGN) }
    }
  }

  /// From now on the command saves before it ends.
  static func save() { isSaving.store(true, ordering: .relaxed) }

  private static let handler: @convention(c) (Int32) -> Void = { number in
    let other = child.load(ordering: .relaxed)
    if other > 0 { kill(other, number) }
    let saving = isSaving.load(ordering: .relaxed)
    guard
      signalNumber.compareExchange(expected: 0, desired: number, ordering: .relaxed).exchanged
    else { return }
    let text: StaticString =
      saving ? "\nstopping; what is done so far is being saved\n" : "\nstopped\n"
    _ = write(2, text.utf8Start, text.utf8CodeUnitCount)
    if !saving { _exit(128 + number) }
  }

  /// Runs `body` while signals are passed on to a child process.
  static func passingOn<Result>(to process: pid_t, _ body: () throws -> Result) rethrows -> Result {
    child.store(process, ordering: .relaxed)
    // One that came before the child was known.
    let number = signalNumber.load(ordering: .relaxed)
    if number != 0 { kill(process, number) }
    defer { child.store(0, ordering: .relaxed) }
    return try body()
  }

  /// From now on this process saves and stops when the one that started it is gone.
  static func followParent() { parent = getppid() }

  /// Counts a failure of writing events to standard output as a request to stop: nobody may be
  /// there to see the rest, but what was trained is to be kept.
  static func outputFailed(_ error: any Failure) {
    if outputFailure == nil { outputFailure = error }
  }

  /// - Throws: the failure of writing to standard output, if there was one.
  static func checkOutput() throws {
    if let outputFailure { throw outputFailure }
  }

  /// - Throws: `ExitCode` if it was asked to stop.
  static func check() throws {
    guard isRequested else { return }
    Output.note("stopped")
    throw ExitCode(exitCode)
  }

  /// Makes a closed pipe (`sparseft … | head`) a failed write instead of a signal; likewise for a
  /// file that exceeds a size limit.
  static func ignoreBrokenPipes() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }
}
