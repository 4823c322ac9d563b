import Storage
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// How a run of the program ended, and all that it said.
struct Outcome: Sendable {
  /// The exit code, or nil where a signal ended the process.
  var exitCode: Int32?
  /// The signal that ended the process, or nil.
  var signal: Int32?
  var output: String
  var error: String

  /// The lines of standard output.
  var lines: [Substring] { output.split(separator: "\n") }

  /// Standard output as one JSON object a line.
  /// - Throws: `StorageError.json` for a line that is none.
  func jsonLines() throws -> [JSONValue] {
    try lines.map { try JSONValue.decode(String($0), source: "standard output") }
  }
}

/// Runs the built program as its users do: a process of its own, with files and pipes.
///
/// The program lies beside the test bundle, since the test target depends on it.
struct ProgramRunner: Sendable {
  /// Variables set besides those of this process.
  var environment: [String: String] = [:]
  /// The folder the program runs in; nil for this process's.
  var folder: String?
  /// Where standard output goes instead of to the test, such as `/dev/full`.
  var output: String?
  /// What runs: the program, or a script that runs it.
  var executable = Self.path
  /// The largest file it may write, in units of 512 bytes, as `ulimit -f` has it.
  var fileBlocks: Int?

  /// The program's path.
  static let path: String = {
    guard let own = realpath("/proc/self/exe", nil) else { return "sparseft" }
    defer { free(own) }
    let parts = String(cString: own).split(separator: "/").dropLast()
    return "/" + parts.joined(separator: "/") + "/sparseft"
  }()

  /// Runs the program to its end.
  ///
  /// - Parameters:
  ///   - signal: what interrupts it.
  ///   - times: how often, a tenth of a second apart.
  ///   - alone: interrupts the program only, not its children.
  ///   - interrupt: told each line of standard output. When it first says true, the program and its
  ///     children get the signal, as from a terminal.
  /// - Throws: `ProgramRunnerError` where the system refuses a pipe or a process.
  func run(
    _ arguments: [String], signal: Int32 = SIGINT, times: Int = 1, alone: Bool = false,
    interrupt: ((Substring) -> Bool)? = nil
  ) throws(ProgramRunnerError) -> Outcome {
    let (process, pipe, errorFile) = try start(arguments)
    defer {
      close(pipe.read)
      close(errorFile.descriptor)
    }
    var output: [UInt8] = []
    var scanned = 0
    var hasInterrupted = false
    while pipe.readMore(into: &output) {
      guard let interrupt, !hasInterrupted else { continue }
      while let end = output[scanned...].firstIndex(of: 10), !hasInterrupted {
        let line = String(decoding: output[scanned..<end], as: UTF8.self)
        scanned = end + 1
        if interrupt(line[...]) {
          for time in 0..<times {
            if time > 0 { usleep(100_000) }
            kill(alone ? process : -process, signal)
          }
          hasInterrupted = true
        }
      }
    }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    let killer = status & 0x7F
    return Outcome(
      exitCode: killer == 0 ? (status >> 8) & 0xFF : nil, signal: killer == 0 ? nil : killer,
      output: String(decoding: output, as: UTF8.self), error: errorFile.text)
  }

  /// As `run(_:interrupt:)`, words as they come.
  func callAsFunction(_ arguments: String...) throws(ProgramRunnerError) -> Outcome {
    try run(arguments)
  }
}

extension ProgramRunner {
  /// Held while descriptors are open that a process started by another test would inherit.
  private static let spawning = Mutex<Void>(())

  private func start(
    _ arguments: [String]
  ) throws(ProgramRunnerError) -> (pid_t, OutputPipe, AnonymousFile) {
    try Self.spawning.withLock { (_) throws(ProgramRunnerError) in
      let errorFile = try AnonymousFile()
      let pipe = try OutputPipe()
      defer { close(pipe.write) }
      return (
        try spawn(arguments, output: pipe.write, error: errorFile.descriptor), pipe, errorFile
      )
    }
  }

  private func spawn(
    _ arguments: [String], output: Int32, error: Int32
  ) throws(ProgramRunnerError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, error, 2)

    // Whatever the test runner does with signals is not the program's affair.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

    let words = CStrings(commandLine(arguments))
    let variables = CStrings(variables)
    var process = pid_t()
    let status = posix_spawn(
      &process, words.first, &actions, &attributes, words.pointers, variables.pointers)
    guard status == 0 else {
      throw ProgramRunnerError(action: "starting \(executable)", number: status)
    }
    return process
  }

  /// A shell changes the folder, sets the limit and then becomes the program, so that this process
  /// keeps its own.
  private func commandLine(_ arguments: [String]) -> [String] {
    let limit = fileBlocks.map { "ulimit -f \($0) && " } ?? ""
    let redirection = output.map { " >\($0)" } ?? ""
    let script = limit + #"cd "$1" && shift && exec "$@""# + redirection
    return ["/bin/sh", "-c", script, "sh", folder ?? ".", executable] + arguments
  }

  /// What the program remembers of this machine it keeps in the folder, or not at all.
  private var variables: [String] {
    let memory = ["XDG_CACHE_HOME": folder.map { $0 + "/memory" } ?? "/dev/null"]
    let all = environment.merging(memory) { own, _ in own }
    var result: [String] = []
    var entry = environ
    while let text = entry.pointee {
      let variable = String(cString: text)
      let name = variable.prefix { $0 != "=" }
      if all[String(name)] == nil { result.append(variable) }
      entry += 1
    }
    return result + all.map { "\($0.key)=\($0.value)" }
  }
}

/// The system refused a test a pipe, a file or a process.
struct ProgramRunnerError: Error, CustomStringConvertible {
  let action: String
  let number: Int32

  var description: String { "\(action): \(String(cString: strerror(number)))" }
}

/// The pipe that standard output goes to. It holds one page only, so that a program is never more
/// than a few lines ahead of the test that reads it.
private struct OutputPipe {
  let read: Int32
  let write: Int32

  init() throws(ProgramRunnerError) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else {
      throw ProgramRunnerError(action: "making a pipe", number: errno)
    }
    (read, write) = (ends[0], ends[1])
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    _ = fcntl(write, 1031, 4096)  // F_SETPIPE_SZ, which Glibc's module lacks
  }

  /// Appends what is there, after waiting for it; false at the end.
  func readMore(into bytes: inout [UInt8]) -> Bool {
    var block = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = Glibc.read(read, &block, block.count)
      if count < 0, errno == EINTR { continue }
      if count > 0 { bytes += block[..<count] }
      return count > 0
    }
  }
}

/// A file without a name, for standard error: a pipe would have to be read at the same time.
private struct AnonymousFile {
  let descriptor: Int32

  init() throws(ProgramRunnerError) {
    var template = Array("/tmp/sparseft-test-error-XXXXXX".utf8CString)
    descriptor = mkstemp(&template)
    guard descriptor >= 0 else {
      throw ProgramRunnerError(action: "making a temporary file", number: errno)
    }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    unlink(template)
  }

  var text: String {
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = pread(descriptor, &block, block.count, off_t(bytes.count))
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += block[..<count]
    }
  }
}

/// Strings as C wants them, with a null pointer at the end.
private final class CStrings {
  let pointers: [UnsafeMutablePointer<CChar>?]

  init(_ strings: [String]) { pointers = strings.map { strdup($0) } + [nil] }

  deinit { for pointer in pointers { free(pointer) } }

  var first: UnsafePointer<CChar> {
    guard let first = pointers.first ?? nil else { preconditionFailure("no words") }
    return UnsafePointer(first)
  }
}
