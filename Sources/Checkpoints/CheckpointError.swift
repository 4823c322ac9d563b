import Storage
import Tensors

/// Errors of checkpoints, deltas, training states and imported formats.
public enum CheckpointError: Failure {
  /// A file that can't be read or written, or JSON that can't be parsed.
  case storage(StorageError)
  /// A file of another kind than the one asked for.
  case wrongKind(path: String, found: String, expected: String)
  /// A field that contradicts the file's format, its size or its hash.
  case damaged(path: String, field: String, found: String, expected: String)
  /// A file that is sound but asks for something that is not implemented.
  case unsupported(path: String, field: String, found: String, expected: String)
  /// A delta trained on another checkpoint; both content hashes.
  case wrongBase(delta: String, expected: String, base: String, found: String)
  /// A required file that is missing beside the one named.
  case missing(path: String, what: String, next: String)
  /// A weight that the wanted element type can't hold.
  case unusableWeight(path: String, tensor: String, found: String, expected: String)

  public var category: FailureCategory {
    switch self {
    case .storage(let error): error.category
    case .wrongKind, .damaged, .unsupported, .wrongBase, .unusableWeight: .badData
    case .missing: .missingInput
    }
  }

  public var description: String {
    switch self {
    case .storage(let error):
      error.description
    case .wrongKind(let path, let found, let expected):
      "reading '\(path)': found \(found), expected \(expected)"
    case .damaged(let path, let field, let found, let expected):
      "reading '\(path)': \(field): found \(found), expected \(expected); "
        + "the file is damaged or was not written completely"
    case .unsupported(let path, let field, let found, let expected):
      "reading '\(path)': \(field): found \(found), which is not supported; expected \(expected)"
    case .wrongBase(let delta, let expected, let base, let found):
      "applying '\(delta)' to '\(base)': the delta was trained on the checkpoint with content hash "
        + "\(expected), this one has \(found); pass the checkpoint that it was trained on"
    case .missing(let path, let what, let next):
      "reading '\(path)': found no \(what); \(next)"
    case .unusableWeight(let path, let tensor, let found, let expected):
      "'\(path)': tensor \(tensor): found \(found), expected \(expected)"
    }
  }
}

/// Runs `body`, wrapping its `StorageError` in a `CheckpointError`.
package func wrapping<T>(_ body: () throws(StorageError) -> T) throws(CheckpointError) -> T {
  do { return try body() } catch { throw .storage(error) }
}
