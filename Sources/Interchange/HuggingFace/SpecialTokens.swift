import Checkpoints
import Storage
import Tokenizers

/// A checkpoint's special tokens, as the files of other programs name them.
struct SpecialTokens {
  let ids: SpecialTokenIDs
  let tokenizer: any SerializedTokenizer

  /// - Throws: `CheckpointError.damaged` for a tokenizer that can't be loaded.
  init(_ checkpoint: Checkpoint) throws(CheckpointError) {
    do throws(TokenizerError) {
      tokenizer = try TokenizerKind.load(checkpoint.tokenizerKind, checkpoint.tokenizerBytes)
    } catch {
      throw CheckpointError.lackOfMemory(error, in: checkpoint.path)
        ?? .damaged(
          path: checkpoint.path, field: "tokenizer", found: "\(error)",
          expected: "a tokenizer that can be loaded")
    }
    ids = SpecialTokenIDs(
      checkpoint.tokenizerSettings, begin: tokenizer.beginOfSequence,
      end: tokenizer.endOfSequence)
  }

  /// A token as the tokenizer's own files spell it.
  func piece(_ id: Int32?) -> String? { id.map { tokenizer.piece(of: $0) } }

  /// One id, or a list of them.
  var endIDs: JSONValue {
    switch ids.ends.count {
    case 0: .null
    case 1: .int(Int(ids.ends[0]))
    default: .array(ids.ends.map { .int(Int($0)) })
    }
  }

  /// The contents of `generation_config.json`.
  var generationConfiguration: JSONObject {
    JSONObject([
      ("bos_token_id", ids.begin.map { .int(Int($0)) } ?? .null), ("eos_token_id", endIDs),
      ("do_sample", false),
    ])
  }
}
