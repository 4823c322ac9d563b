import Checkpoints
import Storage
import Tokenizers

/// The tokenizer file of an imported or new model.
public enum TokenizerFile {
  /// Reads a tokenizer's file and checks that every piece has a row in the embedding.
  /// - Parameters:
  ///   - model: the model that the tokenizer is for, named in messages.
  ///   - vocabularySize: rows of the embedding.
  /// - Throws: `InterchangeError`.
  public static func read(
    _ path: String?, for model: String, vocabularySize: Int
  ) throws(InterchangeError) -> StoredTokenizer {
    let (stored, path) = try InterchangeError.wrapping { () throws(CheckpointError) in
      guard let path else {
        throw .missing(
          path: model, what: "tokenizer.model or tokenizer.json",
          next: "name a tokenizer's file with --tokenizer")
      }
      return (try read(path, for: model, vocabularySize: vocabularySize), path)
    }
    try check(stored, path)
    return stored
  }

  private static func read(
    _ path: String, for model: String, vocabularySize: Int
  ) throws(CheckpointError) -> StoredTokenizer {
    let file = try wrapping { () throws(StorageError) in try MappedFile(path: path) }
    guard let found = TokenizerKind.recognise(file.bytes) else {
      throw .wrongKind(
        path: path, found: "a file of another kind",
        expected: "a SentencePiece model (tokenizer.model) or a tokenizer.json")
    }
    guard found.vocabularySize <= vocabularySize else {
      throw .damaged(
        path: path, field: "pieces", found: "\(found.vocabularySize)",
        expected: "at most \(vocabularySize), the vocabulary of '\(model)'")
    }
    return StoredTokenizer(kind: found.kind, bytes: Array(file.bytes))
  }

  /// Refuses a tokenizer.json that asks for what is not supported before anything is written.
  private static func check(
    _ stored: StoredTokenizer, _ path: String
  ) throws(InterchangeError) {
    guard stored.kind == BytePairTokenizer.kind else { return }
    let result: Result<any Tokenizer, TokenizerError> = stored.bytes.withUnsafeBytes { bytes in
      Result { () throws(TokenizerError) in try TokenizerKind.load(stored.kind, bytes) }
    }
    if case .failure(let error) = result { throw .tokenizer(path: path, error) }
  }
}
