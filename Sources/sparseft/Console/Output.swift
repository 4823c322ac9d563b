import Reports
import Storage
import Synchronization
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Writes results to standard output and messages to standard error.
enum Output {
  /// The first error number from writing a result; 0 for none.
  private static let failure = Atomic<Int32>(0)

  /// Opens standard descriptors that the caller closed: the next file that is opened would be taken
  /// for one of them, and messages would go into it.
  static func openStandardDescriptors() {
    for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) < 0 {
      _ = open("/dev/null", O_RDWR)
    }
  }

  static func print(_ text: String) { write(text.printableText() + "\n") }

  static func print(_ json: JSONValue) { write(json.encoded() + "\n") }

  /// Writes text without adding a line break.
  static func write(_ text: String) {
    // A reader that closed the pipe, as in `sparseft inspect … | head`, has all it wanted.
    guard let number = Terminal.standardOutput.write(text), number != EPIPE else { return }
    failure.store(number, ordering: .relaxed)
  }

  /// Says something that is not the result.
  static func note(_ text: String) {
    Terminal.standardError.write(text.printableLines() + "\n")
  }

  /// Says where the page of a run is, if it is there; relative to the current folder where that is
  /// above it.
  static func notePage(in folder: String) {
    let path = folder + "/report.html"
    guard Folder.exists(path) else { return }
    let here = Folder.current.map { $0 + "/" } ?? ""
    note("page: \(path.hasPrefix(here) ? String(path.dropFirst(here.count)) : path)")
  }

  /// Shows a table that is not the result.
  static func note(_ table: Table) { Terminal.standardError.write(table.text + "\n") }

  /// Throws if a result was lost, for example on a full disk. Called at the end of a command.
  /// - Throws: `CommandError.resultLost`.
  static func finish() throws(CommandError) {
    let number = failure.load(ordering: .relaxed)
    if number != 0 { throw .resultLost(reason: systemMessage(number)) }
  }
}
