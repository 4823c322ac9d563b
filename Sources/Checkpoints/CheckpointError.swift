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
  /// A delta that the checkpoint contains already.
  case alreadyMerged(delta: String, base: String)
  /// The same delta twice in one merge.
  case repeatedDelta(path: String, other: String, hash: String)
  /// An element type that rounds an update away; shares as of `UpdateSurvival`.
  case updateLost(
    output: String, type: String, share: Double, tensor: String, tensorShare: Double, next: String)
  /// Files that are sound each for itself and don't belong together.
  case mismatch(path: String, field: String, found: String, expected: String, next: String)
  /// A required file that is missing beside the one named.
  case missing(path: String, what: String, next: String)
  /// A weight that the wanted element type can't hold.
  case unusableWeight(path: String, tensor: String, found: String, expected: String)
  /// The tensors that deltas change, merged, take more memory than there is; nil where it is unknown
  /// how much there is.
  case noMemoryToMerge(bytes: Int, available: Int?)

  public var category: FailureCategory {
    switch self {
    case .storage(let error): error.category
    case .wrongKind, .damaged, .unsupported, .wrongBase, .alreadyMerged, .repeatedDelta,
      .updateLost, .mismatch, .unusableWeight:
      .badData
    case .missing: .missingInput
    case .noMemoryToMerge: .inputOutput
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
    case .alreadyMerged(let delta, let base):
      "applying '\(delta)' to '\(base)': the checkpoint contains this delta already; leave it out, "
        + "or apply it to the checkpoint that it was trained on"
    case .repeatedDelta(let path, let other, let hash):
      "applying '\(path)': it is the same delta as '\(other)' (content hash \(hash.prefix(12))…), "
        + "whose update would be added twice; leave one of them out"
    case .updateLost(let output, let type, let share, let tensor, let tensorShare, let next):
      "writing '\(output)': stored in \(type), \(Self.percent(share)) of the update is left "
        + "(\(Self.percent(tensorShare)) in \(tensor)), expected at least 95 % and at most 105 %; "
        + "\(next); nothing was written"
    case .mismatch(let path, let field, let found, let expected, let next):
      "reading '\(path)': \(field): found \(found), expected \(expected); \(next)"
    case .missing(let path, let what, let next):
      "reading '\(path)': found no \(what); \(next)"
    case .unusableWeight(let path, let tensor, let found, let expected):
      "'\(path)': tensor \(tensor): found \(found), expected \(expected)"
    case .noMemoryToMerge(let bytes, let available):
      "can't reserve \(ByteCount(bytes)) of memory for the tensors that the deltas change"
        + (available.map { ": \(ByteCount($0)) are free" } ?? "")
        + "; 'sparseft apply-delta' merges them into a checkpoint, row by row"
    }
  }
}

extension CheckpointError {
  /// "2.1 %"
  private static func percent(_ share: Double) -> String {
    formatted(100 * share, decimals: 1) + " %"
  }
}

/// Runs `body`, wrapping its `StorageError` in a `CheckpointError`.
package func wrapping<T>(_ body: () throws(StorageError) -> T) throws(CheckpointError) -> T {
  do { return try body() } catch { throw .storage(error) }
}
