import Chats
import Checkpoints
import Interchange
import Models
import Recipes
import Records
import Reports
import Storage
import Tensors
import Tokenizers

/// A reader of files that may come from anywhere. Whatever bytes it gets, it must end: with a value or
/// one of our errors, never with a trap, an endless loop or a gigabyte.
public enum FuzzedReader: String, CaseIterable, Sendable {
  case checkpoint, delta, state
  case gguf, llama2c, safetensors, configuration
  case sentencepiece, bytepair
  case recipe, events, records, jinja

  /// Reads bytes as a file of the reader's kind.
  ///
  /// - Parameter folder: a folder of its own, for files.
  public func read(_ bytes: [UInt8], in folder: String) {
    do {
      try attempt(bytes, in: folder)
    } catch {
      precondition(error is any Failure, "\(error) is no failure of ours")
      precondition(!"\(error)".isEmpty)
    }
  }

  private func attempt(_ bytes: [UInt8], in folder: String) throws {
    let path = "\(folder)/input"
    func file(_ bytes: [UInt8]) throws -> String {
      try ScratchWriter.write(bytes, to: path)
      return path
    }
    switch self {
    case .checkpoint: _ = try Checkpoint.open(file(Self.sealed(bytes))).loadedTokenizer()
    case .delta: _ = try Delta.open(file(Self.sealed(bytes)))
    case .state:
      let state = try TrainingState.open(file(Self.sealed(bytes)))
      if StateRecord.problem(in: state.values) == nil { _ = StateRecord(state.values).json }
    case .gguf: try importing(file(Array("GGUF".utf8) + bytes), folder)
    case .llama2c: try importing(file(bytes), folder)
    case .safetensors:
      try importing(folder: folder, "model.safetensors", Self.framed(bytes), besides: "config.json")
    case .configuration:
      try importing(folder: folder, "config.json", bytes, besides: "model.safetensors")
    case .sentencepiece, .bytepair:
      try bytes.withUnsafeBytes { buffer in
        let kind = self == .sentencepiece ? "sentencepiece" : "bpe"
        let tokenizer = try TokenizerKind.load(kind, buffer)
        let ids = try tokenizer.encode("The cat sat, 12345 times. Да! \u{4E2D}")
        _ = try tokenizer.decode(ids)
      }
    case .recipe: _ = try Recipe.load(path: file(bytes)).resolvedJSON
    case .events: _ = try RunRecord(eventFile: file(bytes)).row(label: "", seed: 0, deltaBytes: nil)
    case .records:
      let json = try JSONValue.decode(bytes, source: "input")
      _ = (AnalysisRecord(json).json, ProductsFile(json).json, RunSummary(json).json)
      _ = (RunDescription(json).json, MemoryForecast(json).json, PrecisionRecord(json)?.json)
    case .jinja:
      _ = try ChatTemplate.recognised(
        String(decoding: bytes, as: UTF8.self), begin: "<s>", end: "</s>")
    }
  }

  private func importing(_ path: String, _ folder: String) throws {
    _ = try CheckpointImport.run(
      source: path, tokenizer: nil, elementType: nil, output: "\(folder)/output")
  }

  /// Imports a Hugging Face folder with one file of the input's, the other one small and right.
  private func importing(
    folder: String, _ name: String, _ bytes: [UInt8], besides other: String
  ) throws {
    let model = "\(folder)/model"
    try Folder.create(model)
    try ScratchWriter.write(bytes, to: "\(model)/\(name)")
    let configuration = """
      {"model_type": "llama", "hidden_size": 4, "intermediate_size": 4, "vocab_size": 8,
       "num_hidden_layers": 1, "num_attention_heads": 1, "max_position_embeddings": 8}
      """
    let right =
      other == "config.json" ? Array(configuration.utf8) : Self.framed(Array(#"{}"#.utf8))
    try ScratchWriter.write(right, to: "\(model)/\(other)")
    try importing(model, folder)
  }

  /// A tensor file with the lengths and the hash that its bytes ask for, so that what is behind these
  /// checks is reached: 8 bytes of magic, then a header up to the first zero, then data.
  private static func sealed(_ bytes: [UInt8]) -> [UInt8] {
    let header = Array(bytes.dropFirst(8).prefix { $0 != 0 })
    let padding = [UInt8](repeating: 0, count: (64 - header.count % 64) % 64)
    let rest = header + padding + bytes.dropFirst(9 + header.count)
    var file = Array(bytes.prefix(8))
    // The version of checkpoints that name their tokenizer's kind; others have one version.
    let version: UInt64 = file.starts(with: Array("SFCKPT".utf8)) ? 2 : 1
    for number in [version, UInt64(header.count), UInt64(64 + rest.count)] {
      withUnsafeBytes(of: number.littleEndian) { file += Array($0) }
    }
    return file + ContentHash.digest(rest) + rest
  }

  /// A safetensors file: the length of the header up to the first zero, the header, then data.
  private static func framed(_ bytes: [UInt8]) -> [UInt8] {
    let header = Array(bytes.prefix { $0 != 0 })
    var file: [UInt8] = []
    withUnsafeBytes(of: UInt64(header.count).littleEndian) { file += Array($0) }
    return file + header + bytes.dropFirst(header.count + 1)
  }
}

extension Checkpoint {
  fileprivate func loadedTokenizer() throws -> any SerializedTokenizer {
    try TokenizerKind.load(tokenizerKind, tokenizerBytes)
  }
}
