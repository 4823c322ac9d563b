extension VocabularyTable {
  /// The tokenizer that checkpoints store for this vocabulary: a tokenizer.json for a byte-level
  /// one, a SentencePiece model for one with scores.
  /// - Returns: the kind's name, and bytes that load as that kind.
  /// - Throws: `TokenizerError.invalidTable`, naming the metadata's key, for a table that
  ///   contradicts itself, or whose algorithm or way of splitting is not supported.
  public func serialized() throws(TokenizerError) -> (kind: String, bytes: [UInt8]) {
    guard !pieces.isEmpty, pieces.count < Int(Int32.max) else {
      throw .invalidTable(
        field: "tokenizer.ggml.tokens", found: "\(pieces.count) pieces", expected: "at least one")
    }
    guard types.isEmpty || types.count == pieces.count else {
      throw .invalidTable(
        field: "tokenizer.ggml.token_type", found: "\(types.count) entries",
        expected: "\(pieces.count), one for each piece")
    }
    let ids = [
      ("bos_token_id", beginOfSequence), ("eos_token_id", endOfSequence),
      ("padding_token_id", padding),
    ]
    for (key, id) in ids {
      guard let id, !pieces.indices.contains(Int(id)) else { continue }
      throw .invalidTable(
        field: "tokenizer.ggml.\(key)", found: "\(id)", expected: "an id below \(pieces.count)")
    }
    switch model {
    case "gpt2": return (BytePairTokenizer.kind, try bytePairJSON())
    case "llama": return (SentencePieceTokenizer.kind, try sentencePieceModel())
    default:
      throw .invalidTable(
        field: "tokenizer.ggml.model", found: "'\(model.prefix(60))', which is not supported",
        expected: "gpt2 or llama")
    }
  }
}
