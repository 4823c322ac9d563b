import Tensors

/// Errors of files and of the JSON in them.
public enum StorageError: Failure {
  /// A file that is missing or may not be read.
  case cannotOpen(path: String, reason: String)
  /// The path names something other than a file, such as a folder.
  case notAFile(path: String, found: String)
  /// A stand-in that Git LFS left for a file of `byteCount` bytes; nil where it does not say.
  case pointer(path: String, byteCount: Int?)
  /// Reading or mapping a file failed after it was opened.
  case readFailed(path: String, reason: String)
  /// A file that was written to or cut short while it was in use.
  case changed(path: String)
  /// A new file or folder that can't be created, or can't get its final name.
  ///
  /// - Parameter advice: what to do; nil for what the system's message asks for.
  case cannotCreate(path: String, reason: String, advice: String? = nil)
  /// The path of a folder that the program creates is taken by something else.
  case occupied(path: String, found: String)
  /// A folder that another process holds; nil where it is unknown which.
  case busy(path: String, process: Int?)
  /// Writing failed half-way; nothing was left behind.
  case writeFailed(path: String, reason: String)
  /// Text that is not JSON, or JSON that this dialect rejects. Lines and columns count from 1,
  /// columns in characters.
  case json(source: String, line: Int, column: Int, problem: String)
  /// A field that extends beyond the end of its bytes.
  case truncated(source: String, field: String, offset: Int, needed: Int, available: Int)

  public var category: FailureCategory {
    switch self {
    case .cannotOpen, .notAFile: .missingInput
    case .readFailed, .writeFailed, .changed: .inputOutput
    case .cannotCreate, .occupied, .busy: .cannotCreate
    case .json, .truncated, .pointer: .badData
    }
  }

  public var description: String {
    switch self {
    case .cannotOpen(let path, let reason):
      "reading '\(path)': \(reason); check the path"
    case .notAFile(let path, let found):
      "reading '\(path)': found \(found), expected a file"
    case .pointer(let path, let byteCount):
      "reading '\(path)': found a Git LFS pointer, a text in place of the file"
        + (byteCount.map { " of \($0) bytes" } ?? "")
        + ", expected the file itself; run 'git lfs pull' in its folder"
    case .readFailed(let path, let reason):
      "reading '\(path)': \(reason)"
    case .changed(let path):
      "reading '\(path)': the file was written to or cut short while it was in use, so what was "
        + "computed since the last snapshot is not kept; put it back, then go on with --resume"
    case .cannotCreate(let path, let reason, let advice):
      "creating '\(path)': \(reason); \(advice ?? creatingAdvice(reason))"
    case .occupied(let path, let found):
      "creating '\(path)': found \(found) of that name that sparseft did not make, which stays as it "
        + "is: move it away, or choose another output folder"
    case .busy(let path, let process):
      "the folder '\(path)' is in use by " + (process.map { "process \($0)" } ?? "another process")
        + ": wait for it to end, or choose another output folder"
    case .writeFailed(let path, let reason):
      "writing '\(path)': \(reason); nothing was left behind, \(writingAdvice(reason))"
    case .json(let source, let line, let column, let problem):
      "\(source):\(line):\(column): \(problem)"
    case .truncated(let source, let field, let offset, let needed, let available):
      "\(source): \(field) at byte \(offset): found \(available) bytes, expected \(needed); "
        + "the file is cut short or damaged"
    }
  }
}
