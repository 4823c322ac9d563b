import Checkpoints
import Storage
import Tokenizers

/// The tokenizer file of an imported or new model.
public enum TokenizerFile {
  /// Reads a tokenizer's file and checks that every piece has a row in the embedding. A SentencePiece
  /// model gets the tokens that the files beside it add; a tokenizer.json has them itself.
  /// - Parameters:
  ///   - model: the model that the tokenizer is for, named in messages.
  ///   - vocabularySize: rows of the embedding.
  /// - Throws: `InterchangeError`.
  public static func read(
    _ path: String?, for model: String, vocabularySize rows: Int
  ) throws(InterchangeError) -> ImportedTokenizer {
    let found = try readAlone(path, for: model, vocabularySize: rows)
    guard let path, let model = try load(found.stored, path) as? SentencePieceTokenizer
    else { return found }
    let added = try AddedTokens.beside(path)
    var completed = try InterchangeError.wrapping { () throws(CheckpointError) in
      try added.added(to: found.stored, model, path: path, rows: rows)
    }
    // A spelling that the model has elsewhere is refused here.
    _ = try load(completed.stored, path)
    completed.leftOut = found.leftOut + completed.leftOut
    return completed
  }

  /// As `read`, whatever lies beside the file.
  static func readAlone(
    _ path: String?, for model: String, vocabularySize: Int
  ) throws(InterchangeError) -> ImportedTokenizer {
    let (found, path) = try InterchangeError.wrapping { () throws(CheckpointError) in
      guard let path else {
        throw .missing(
          path: model, what: "tokenizer.model or tokenizer.json",
          next: "name a tokenizer's file with --tokenizer")
      }
      return (try read(path, for: model, vocabularySize: vocabularySize), path)
    }
    _ = try load(found.stored, path)
    return found
  }

  private static func read(
    _ path: String, for model: String, vocabularySize: Int
  ) throws(CheckpointError) -> ImportedTokenizer {
    let file = try wrapping { () throws(StorageError) in try MappedFile(path: path) }
    guard let found = TokenizerKind.recognise(file.bytes) else {
      throw .wrongKind(
        path: path, found: "a file of another kind",
        expected: "a SentencePiece model (tokenizer.model) or a tokenizer.json")
    }
    guard found.vocabularySize > vocabularySize else {
      return ImportedTokenizer(StoredTokenizer(kind: found.kind, bytes: Array(file.bytes)))
    }
    let type = TokenizerKind.all.first { $0.kind == found.kind }
    guard let fitted = type?.fitted(file.bytes, to: vocabularySize) else {
      throw .mismatch(
        path: path, field: "pieces of the tokenizer", found: "\(found.vocabularySize)",
        expected: "at most \(vocabularySize), the rows of the embedding of '\(model)'",
        next: "it is the tokenizer of another model: name this one's own with --tokenizer")
    }
    return ImportedTokenizer(
      StoredTokenizer(kind: found.kind, bytes: fitted.bytes), leftOut: fitted.leftOut)
  }

  /// Loads a tokenizer: one that asks for what is not supported is refused before anything is
  /// written.
  /// - Parameter path: where it comes from, for messages.
  static func load(
    _ stored: StoredTokenizer, _ path: String
  ) throws(InterchangeError) -> any SerializedTokenizer {
    let result: Result<any SerializedTokenizer, TokenizerError> = stored.bytes.withUnsafeBytes {
      bytes in
      Result { () throws(TokenizerError) in try TokenizerKind.load(stored.kind, bytes) }
    }
    do {
      return try result.get()
    } catch {
      throw .tokenizer(path: path, error)
    }
  }
}
