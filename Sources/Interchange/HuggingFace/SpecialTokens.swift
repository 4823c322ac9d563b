import Checkpoints
import Storage
import Tokenizers

/// A checkpoint's special tokens, as the files of other programs name them.
struct SpecialTokens {
  /// BOS, whether or not documents get one.
  let begin: Int32?
  /// EOS, then the other ids that end generated text.
  let ends: [Int32]
  let unknown: Int32?
  /// Whether documents and prompts begin with BOS.
  let addsBegin: Bool
  let tokenizer: any SerializedTokenizer

  /// - Throws: `CheckpointError.damaged` for a tokenizer that can't be loaded.
  init(_ checkpoint: Checkpoint) throws(CheckpointError) {
    do {
      tokenizer = try TokenizerKind.load(checkpoint.tokenizerKind, checkpoint.tokenizerBytes)
    } catch {
      throw .damaged(
        path: checkpoint.path, field: "tokenizer", found: "\(error)",
        expected: "a tokenizer that can be loaded")
    }
    let settings = checkpoint.tokenizerSettings
    func id(_ token: TokenizerSettings.SpecialToken, stored: Int32?) -> Int32? {
      switch token {
      case .stored: stored
      case .absent: nil
      case .id(let id): id
      }
    }
    begin = id(settings.beginOfSequence, stored: tokenizer.beginOfSequence)
    var ends: [Int32] = []
    let end = id(settings.endOfSequence, stored: tokenizer.endOfSequence)
    for id in (end.map { [$0] } ?? []) + settings.endsOfText where !ends.contains(id) {
      ends.append(id)
    }
    self.ends = ends
    addsBegin = settings.addsBeginOfSequence && begin != nil
    unknown = tokenizer.unknown
  }

  /// A token as the tokenizer's own files spell it.
  func piece(_ id: Int32?) -> String? { id.map { tokenizer.piece(of: $0) } }

  /// One id, or a list of them.
  var endIDs: JSONValue {
    switch ends.count {
    case 0: .null
    case 1: .int(Int(ends[0]))
    default: .array(ends.map { .int(Int($0)) })
    }
  }

  /// The contents of `generation_config.json`.
  var generationConfiguration: JSONObject {
    JSONObject([
      ("bos_token_id", begin.map { .int(Int($0)) } ?? .null), ("eos_token_id", endIDs),
      ("do_sample", false),
    ])
  }
}
