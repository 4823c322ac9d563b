import Storage

// What other programs' formats ask of a SentencePiece model.
extension SentencePieceTokenizer {
  /// Pieces at the end that text never becomes, control tokens and unused ones, can go.
  public static func fitted(
    _ serialized: UnsafeRawBufferPointer, to rows: Int
  ) -> (bytes: [UInt8], leftOut: [String])? {
    var fields = ProtocolBufferReader(serialized)
    var (model, leftOut, pieces) = (ProtocolBufferWriter(), [String](), 0)
    do throws(TokenizerError) {
      while let (number, value) = try fields.next() {
        if number == 1, case .bytes(let message) = value {
          pieces += 1
          if pieces > rows {
            let piece = try VocabularyTable.piece(message)
            guard
              [VocabularyTable.PieceType.control, VocabularyTable.PieceType.unused].contains(
                piece.type)
            else { return nil }
            let spelling = piece.text.prefix(40)
            leftOut.append("the token '\(spelling)' (id \(pieces - 1), of \(rows) rows)")
            continue
          }
        }
        model.field(number, value)
      }
    } catch {
      return nil
    }
    return (model.message, leftOut)
  }

  public static func tables(
    of serialized: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> [VocabularyTable] {
    [try VocabularyTable.sentencePieceTable(serialized)]
  }

  /// The class that makes `transformers` follow the model's own rules; its class for Llama takes
  /// none of them but the dummy prefix, and merges runs of spaces in another order.
  public func huggingFaceConfiguration(continuesBehindControls: Bool) -> HuggingFaceTokenizer {
    var members = JSONObject([
      ("tokenizer_class", "PreTrainedTokenizerFast"),
      ("add_prefix_space", .bool(addsDummyPrefix)),
    ])
    if addsDummyPrefix { members["legacy"] = .bool(!continuesBehindControls) }
    var controls = JSONObject()
    for id in 0..<Int32(vocabularySize) where isControl(id) || id == unknown {
      controls[String(id)] = [
        "content": .string(piece(of: id)), "lstrip": false, "normalized": false, "rstrip": false,
        "single_word": false, "special": true,
      ]
    }
    members["added_tokens_decoder"] = .object(controls)
    return HuggingFaceTokenizer(members)
  }
}
