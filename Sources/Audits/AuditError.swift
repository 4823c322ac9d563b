import Execution
import Graphs
import Tensors

/// Why a delta can't be audited.
public enum AuditError: Failure {
  /// LAPACK is missing, or failed.
  case decomposition(reason: String, category: FailureCategory)
  case execution(ExecutionError)
  case graph(GraphError)
  /// A text with fewer windows than its part of the audit needs.
  case tooFewWindows(use: String, found: Int, needed: Int, sequenceLength: Int)
  /// What a shadow run needs and the delta does not record.
  case notRecorded(path: String, what: String)
  /// A weight that is not finite.
  case brokenWeights(String)
  /// The folder that the system names for temporary files takes none.
  case noFolder(path: String, reason: String)

  public var category: FailureCategory {
    switch self {
    case .decomposition(_, let category): category
    case .execution(let error): error.category
    case .graph: .bug
    case .tooFewWindows, .brokenWeights: .badData
    case .notRecorded: .usage
    case .noFolder: .cannotCreate
    }
  }

  public var description: String {
    switch self {
    case .decomposition(let reason, _): "decomposing the delta's matrices: \(reason)"
    case .execution(let error): error.description
    case .graph(let error): "compiling the audit's forward pass: \(error)"
    case .tooFewWindows(let use, let found, let needed, let length):
      "the \(use) text has \(found) windows of \(length) tokens; the audit needs \(needed) at "
        + "least: give more text, or a lower --sequence-length"
    case .notRecorded(let path, let what):
      "'\(path)' does not record \(what), which shadow runs need; audit the delta without --shadows"
    case .brokenWeights(let what): "\(what); there is nothing to audit"
    case .noFolder(let path, let reason):
      "can't make a folder for shadow runs in '\(path)': \(reason); set TMPDIR to one with room"
    }
  }
}
