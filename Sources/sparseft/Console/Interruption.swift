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
  /// How far the command is, as the raw value of a `Stage`.
  private static let stage = Atomic<Int32>(Stage.starting.rawValue)
  /// The process of a comparison's member, which is told too; 0 for none.
  private static let child = Atomic<Int32>(0)
  /// The process that started this one, if this one ends with it; 0 for none.
  private static let parent = Atomic<Int32>(0)
  /// The first failure of writing to standard output. No signal's business: a lock may be taken.
  private static let failedOutput = Mutex<(any Failure)?>(nil)

  private static let signals = [SIGINT, SIGTERM, SIGHUP]

  /// What a request to stop means.
  private enum Stage: Int32 {
    /// The process ends at once.
    case starting
    /// Nothing is trained yet; what is being measured ends, and files on the way are removed.
    case measuring
    /// There are steps to save.
    case training

    /// What the signal's handler says; the command itself says at its end what became of the run.
    var notice: StaticString {
      switch self {
      case .starting: "\nstopped\n"
      case .measuring: "\nstopping\n"
      case .training: "\nstopping; what is done so far is being saved\n"
      }
    }
  }

  static var isRequested: Bool {
    let followed = parent.load(ordering: .relaxed)
    if followed > 0, getppid() != followed { handler(SIGTERM) }
    return signalNumber.load(ordering: .relaxed) != 0 || outputFailure != nil
  }

  /// The first failure of writing to standard output; nil for none.
  static var outputFailure: (any Failure)? { failedOutput.withLock { $0 } }

  /// 130 after Ctrl-C, 143 after SIGTERM, 129 after a closed terminal; 74 where standard output is
  /// closed or full.
  static var exitCode: Int32 {
    let number = signalNumber.load(ordering: .relaxed)
    return number == 0 ? ExitStatus.code(for: .inputOutput) : 128 + number
  }

  /// Starts handling signals. Until `measure` they end the process, which says so.
  static func listen() {
    // So that the handler finds them initialised.
    _ = (signalNumber.load(ordering: .relaxed), stage.load(ordering: .relaxed))
    _ = child.load(ordering: .relaxed)
    for number in signals {
      let earlier = signal(number, handler)
      // As `nohup` asks.
      if number == SIGHUP, unsafeBitCast(earlier, to: Int.self) == 1 { signal(number, SIG_IGN) }
    }
  }

  /// From now on the command ends by itself when it is asked to; there is nothing to save yet.
  static func measure() { stage.store(Stage.measuring.rawValue, ordering: .relaxed) }

  /// From now on there is something to save before the command ends.
  static func save() { stage.store(Stage.training.rawValue, ordering: .relaxed) }

  private static let handler: @convention(c) (Int32) -> Void = { number in
    let other = child.load(ordering: .relaxed)
    if other > 0 { kill(other, number) }
    let stage = Stage(rawValue: stage.load(ordering: .relaxed)) ?? .starting
    guard
      signalNumber.compareExchange(expected: 0, desired: number, ordering: .relaxed).exchanged
    else { return }
    let text = stage.notice
    _ = write(2, text.utf8Start, text.utf8CodeUnitCount)
    if stage == .starting { _exit(128 + number) }
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
  static func followParent() { parent.store(getppid(), ordering: .relaxed) }

  /// Counts a failure of writing events to standard output as a request to stop: nobody may be
  /// there to see the rest, but what was trained is to be kept.
  static func outputFailed(_ error: any Failure) {
    failedOutput.withLock { if $0 == nil { $0 = error } }
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
