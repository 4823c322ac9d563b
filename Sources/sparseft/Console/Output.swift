import Reports
import Storage
import Synchronization
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Results on standard output, words for people on standard error.
enum Output {
  /// The first error number that writing a result gave; 0 for none.
  private static let failure = Atomic<Int32>(0)

  static func print(_ text: String) { write(text + "\n") }

  static func print(_ json: JSONValue) { write(json.encoded() + "\n") }

  /// Writes text as it is, without a line's end.
  static func write(_ text: String) {
    // A reader that went away, as in `sparseft inspect … | head`, has what it wanted.
    guard let number = Terminal.standardOutput.write(text), number != EPIPE else { return }
    failure.store(number, ordering: .relaxed)
  }

  static func note(_ text: String) { Terminal.standardError.write(text + "\n") }

  /// Called at the end: a result that was lost, on a full disk for example, is no success.
  /// - Throws: `CommandError.resultLost`.
  static func finish() throws(CommandError) {
    let number = failure.load(ordering: .relaxed)
    if number != 0 { throw .resultLost(reason: String(cString: strerror(number))) }
  }
}
