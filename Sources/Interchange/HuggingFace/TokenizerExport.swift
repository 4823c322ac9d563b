import Checkpoints
import Storage
import Tokenizers

/// Writes the tokenizer's own file as it came, what `transformers` wants to know beside it, and the
/// chat template.
enum TokenizerExport {
  /// - Throws: `CheckpointError`.
  static func write(
    _ checkpoint: Checkpoint, _ special: SpecialTokens, to folder: AtomicFolder
  ) throws(CheckpointError) {
    let isSentencePiece = checkpoint.tokenizerKind == SentencePieceTokenizer.kind
    var object = JSONObject([
      (
        "tokenizer_class",
        isSentencePiece ? "LlamaTokenizer" : "PreTrainedTokenizerFast"
      ),
      ("add_bos_token", .bool(special.addsBegin)), ("add_eos_token", false),
      ("clean_up_tokenization_spaces", false),
      ("model_max_length", .int(checkpoint.configuration.contextLength)),
    ])
    if isSentencePiece { object["legacy"] = false }
    for (key, id) in [
      ("bos_token", special.begin), ("eos_token", special.ends.first),
      ("unk_token", special.unknown),
    ] {
      object[key] = special.piece(id).map { .string($0) }
    }
    let template = checkpoint.tokenizerSettings.chatTemplate
    object["chat_template"] = template.map { .string($0) }
    try wrapping { () throws(StorageError) in
      try folder.write(
        Array(checkpoint.tokenizerBytes), to: isSentencePiece ? "tokenizer.model" : "tokenizer.json"
      )
      try folder.write(
        Array((JSONValue.object(object).encoded(.pretty) + "\n").utf8), to: "tokenizer_config.json")
      if let template { try folder.write(Array(template.utf8), to: "chat_template.jinja") }
    }
  }
}
