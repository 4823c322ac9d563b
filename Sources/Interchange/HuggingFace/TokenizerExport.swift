import Checkpoints
import Storage
import Tokenizers

/// Writes the tokenizer's own file as it came, what `transformers` wants to know beside it, and the
/// chat template.
enum TokenizerExport {
  /// - Returns: what a person should know, a sentence each.
  /// - Throws: `CheckpointError`.
  static func write(
    _ checkpoint: Checkpoint, _ special: SpecialTokens, to folder: AtomicFolder
  ) throws(CheckpointError) -> [String] {
    let settings = checkpoint.tokenizerSettings
    let tokenizer = special.tokenizer
    let known = tokenizer.huggingFaceConfiguration(
      continuesBehindControls: settings.continuesBehindControls
        ?? tokenizer.continuesBehindControls)
    var object = known.members
    object["add_bos_token"] = .bool(special.ids.addsBegin)
    object["add_eos_token"] = false
    object["clean_up_tokenization_spaces"] = false
    object["model_max_length"] = .int(checkpoint.configuration.contextLength)
    for (key, id) in [
      ("bos_token", special.ids.begin), ("eos_token", special.ids.ends.first),
      ("unk_token", tokenizer.unknown),
    ] {
      object[key] = special.piece(id).map { .string($0) }
    }
    let template = settings.chatTemplate
    object["chat_template"] = template.map { .string($0) }
    try wrapping { () throws(StorageError) in
      try folder.write(Array(checkpoint.tokenizerBytes), to: type(of: tokenizer).fileName)
      try folder.write(
        Array((JSONValue.object(object).encoded(.pretty) + "\n").utf8), to: "tokenizer_config.json")
      if let template { try folder.write(Array(template.utf8), to: "chat_template.jinja") }
    }
    return known.notes
  }
}
