import Checkpoints
import Storage
import Tokenizers

/// The tokenizer file of an imported or new model.
public enum TokenizerFile {
  /// Reads a tokenizer's file and checks that every piece has a row in the embedding.
  /// - Parameters:
  ///   - model: the model that the tokenizer is for, named in messages.
  ///   - vocabularySize: rows of the embedding.
  /// - Throws: `CheckpointError`.
  public static func read(
    _ path: String?, for model: String, vocabularySize: Int
  ) throws(CheckpointError) -> StoredTokenizer {
    guard let path else {
      throw .missing(
        path: model, what: "tokenizer.model", next: "name a SentencePiece model with --tokenizer")
    }
    let file = try wrapping { () throws(StorageError) in try MappedFile(path: path) }
    guard let found = TokenizerKind.recognise(file.bytes) else {
      throw .wrongKind(
        path: path, found: "a file of another kind",
        expected: "a SentencePiece model (tokenizer.model)")
    }
    guard found.vocabularySize <= vocabularySize else {
      throw .damaged(
        path: path, field: "pieces", found: "\(found.vocabularySize)",
        expected: "at most \(vocabularySize), the vocabulary of '\(model)'")
    }
    return StoredTokenizer(kind: found.kind, bytes: Array(file.bytes))
  }
}
