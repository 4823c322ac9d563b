import Checkpoints
import Tensors
import Tokenizers

/// Errors of reading other programs' models.
public enum InterchangeError: Failure {
  /// A file that can't be read, contradicts its format, or asks for what is not implemented.
  case checkpoint(CheckpointError)
  /// A vocabulary in the file at `path` that no tokenizer here works by.
  case tokenizer(path: String, TokenizerError)

  public var category: FailureCategory {
    switch self {
    case .checkpoint(let error): error.category
    case .tokenizer(_, let error): error.category
    }
  }

  public var description: String {
    switch self {
    case .checkpoint(let error): error.description
    case .tokenizer(let path, let error): "reading '\(path)': \(error.description)"
    }
  }
}

extension InterchangeError {
  /// Runs `body`, wrapping its `CheckpointError`.
  static func wrapping<T>(
    _ body: () throws(CheckpointError) -> T
  ) throws(InterchangeError) -> T {
    do { return try body() } catch { throw .checkpoint(error) }
  }
}

extension CheckpointError {
  /// A tokenizer's error if it is that there was no memory, which says nothing of the tokenizer; nil for
  /// others.
  static func lackOfMemory(_ error: TokenizerError, in path: String) -> CheckpointError? {
    guard case .outOfMemory = error else { return nil }
    return .storage(.readFailed(path: path, reason: error.description))
  }
}
