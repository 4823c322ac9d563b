import Records
import Reports
import Runs
import Storage
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// A child process of this program that trains one member of a comparison and reports events on a
/// pipe.
struct ChildRun {
  private let label: String
  private let seed: Int
  private let arguments: [String]
  /// How many of the last lines of the child's standard error its failure is told with.
  private static let messageLines = 100

  init(_ member: ComparisonMember) {
    label = member.label
    seed = member.seed
    arguments =
      ["finetune", member.recipePath, "--json", "--cache", member.cache, "--only", "--overwrite"]
      + member.overrides
  }

  /// Runs the child process to its end and shows its progress.
  ///
  /// - Throws: `RunsError.member` with the child's last output if it fails; `ExitCode` if Ctrl-C,
  ///   which reaches the child too, stopped it.
  func run() throws -> ComparisonRow {
    try Interruption.check()
    let (outputRead, outputWrite) = try Self.pipe()
    let (errorRead, errorWrite) = try Self.pipe()
    let process = try spawn(
      output: outputWrite, error: errorWrite, closing: [outputRead, errorRead])
    close(outputWrite)
    close(errorWrite)
    var progress = ChildProgress(label: label, seed: seed)
    var status: Int32 = 0
    let message = Interruption.passingOn(to: process) {
      let message = read(outputRead, errorRead) { event in progress.handle(event) }
      // Its number may be another process's once it was waited for.
      var ended = siginfo_t()
      while waitid(P_PID, id_t(process), &ended, WEXITED | WNOWAIT) < 0, errno == EINTR {}
      return message
    }
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    close(outputRead)
    close(errorRead)
    progress.finish()
    let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
    try Interruption.check()
    guard code == 0, let row = progress.row else {
      throw RunsError.member(
        label: label, problem: "ended with exit code \(code): \(message)",
        category: ExitStatus.category(of: code))
    }
    return row
  }

  /// Passes the child's events on, and returns the last lines of its standard error.
  private func read(
    _ output: Int32, _ error: Int32, _ handle: (RunEvent) -> Void
  ) -> String {
    var message: [String] = []
    var streams = [LineStream(output), LineStream(error)]
    while let (stream, lines) = LineStream.next(of: &streams) {
      guard stream == 0 else {
        message = (message + lines).suffix(Self.messageLines)
        continue
      }
      for line in lines {
        if let json = try? JSONValue.decode(Array(line.utf8), source: label),
          let event = RunEvent(json)
        {
          handle(event)
        }
      }
    }
    return message.joined(separator: "\n")
  }

  private static func pipe() throws -> (read: Int32, write: Int32) {
    var ends: [Int32] = [0, 0]
    guard Glibc.pipe(&ends) == 0 else {
      throw CommandError.noChild(reason: systemMessage(errno))
    }
    return (ends[0], ends[1])
  }

  private func spawn(output: Int32, error: Int32, closing: [Int32]) throws -> pid_t {
    /// A child with some of its words, or that writes elsewhere, would be another run.
    func check(_ status: Int32) throws {
      if status != 0 { throw CommandError.noChild(reason: systemMessage(status)) }
    }
    var actions = posix_spawn_file_actions_t()
    try check(posix_spawn_file_actions_init(&actions))
    defer { posix_spawn_file_actions_destroy(&actions) }
    for descriptor in closing {
      try check(posix_spawn_file_actions_addclose(&actions, descriptor))
    }
    try check(posix_spawn_file_actions_adddup2(&actions, output, 1))
    try check(posix_spawn_file_actions_adddup2(&actions, error, 2))
    var words: [UnsafeMutablePointer<CChar>?] = []
    defer { for word in words { free(word) } }
    for argument in ["sparseft"] + arguments {
      guard let word = strdup(argument) else { throw CommandError.noChild(reason: "out of memory") }
      words.append(word)
    }
    words.append(nil)
    var process = pid_t()
    try check(posix_spawn(&process, "/proc/self/exe", &actions, nil, words, environ))
    return process
  }
}

/// Passes a child's events to the live line and to a comparison row.
private struct ChildProgress {
  private let label: String
  private let seed: Int
  private var line = ProgressLine()
  private var record = RunRecord()
  private var validationLoss: Double?

  init(label: String, seed: Int) {
    self.label = label
    self.seed = seed
  }

  /// The run as a row; nil before its `done` event.
  var row: ComparisonRow? { record.row(label: label, seed: seed, deltaBytes: nil) }

  mutating func handle(_ event: RunEvent) {
    record.add(event)
    switch event {
    case .start(let run):
      line.message("\(label): trains \(Format.count(run.trainableParameters)) parameters")
      if let choice = run.choice { line.message("  \(choice)") }
    case .validation(_, let loss, _, _): validationLoss = loss
    case .step(let report):
      line.update(
        ProgressState(
          activity: label, report, totalSteps: record.start?.steps ?? 0,
          validationLoss: validationLoss))
    default: break
    }
  }

  mutating func finish() { line.finish() }
}
