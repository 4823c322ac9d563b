import Storage
import Tensors

/// Errors of writing reports.
public enum ReportError: Failure {
  /// An event file that can't be opened for writing.
  case cannotCreate(path: String, reason: String)
  /// A line that could not be written whole, for example on a full disk.
  case writeFailed(path: String, reason: String)
  /// An earlier run's event file that can't be read.
  case unreadable(StorageError)

  public var category: FailureCategory {
    switch self {
    case .cannotCreate: .cannotCreate
    case .writeFailed: .inputOutput
    case .unreadable(let error): error.category
    }
  }

  public var description: String {
    switch self {
    case .cannotCreate(let path, let reason):
      "creating event file '\(path)': \(reason); \(creatingAdvice(reason))"
    case .writeFailed(let path, let reason):
      "writing events to \(path): \(reason); \(writingAdvice(reason)), then continue with --resume"
    case .unreadable(let error): error.description
    }
  }
}
