import Chats
import Checkpoints
import Execution
import Models
import Recipes
import Records
import Reports
import Runs
import Storage
import Tensors
import Tokenizers

/// A reader of files that may come from anywhere. Whatever bytes it gets, it must end: with a value or
/// one of our errors, never with a trap, an endless loop or a gigabyte.
public enum FuzzedReader: String, CaseIterable, Sendable {
  case checkpoint, delta, state, bundle
  case gguf, llama2c, safetensors, index, configuration, settings, vocabulary, adapter
  case sentencepiece, bytepair
  case text, rows, tokens
  case recipe, events, records, products, jinja

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
    case .bundle: DeviceBundle.read(bytes)
    case .gguf: try ForeignModel.read(file(Array("GGUF".utf8) + bytes), folder)
    case .llama2c: try ForeignModel.read(file(bytes), folder)
    case .safetensors, .index, .configuration, .settings, .vocabulary:
      try ForeignModel(folder).read(self, bytes)
    case .adapter: try ForeignModel(folder).readAdapter(bytes)
    case .text: try UsersText(folder).read(bytes, as: "text.txt")
    case .rows: try UsersText(folder).read(bytes, as: "rows.jsonl")
    case .tokens: try UsersText(folder).readCache(bytes)
    case .sentencepiece, .bytepair:
      try bytes.withUnsafeBytes { buffer in
        let kind = self == .sentencepiece ? "sentencepiece" : "bpe"
        let tokenizer = try TokenizerKind.load(kind, buffer)
        let ids = try tokenizer.encode("The cat sat, 12345 times. Да! \u{4E2D}")
        _ = try tokenizer.decode(ids)
      }
    case .recipe: _ = try Recipe.load(path: file(bytes)).resolvedJSON
    case .events:
      _ = try RunRecord(eventFile: file(bytes)).row(label: "", seed: 0, deltaBytes: nil)
      // As a run that goes on: it cuts off what was not saved.
      _ = try EventWriter(path: path, resuming: true) { ($0["step"]?.int ?? 0) < 8 }
    case .records:
      let json = try JSONValue.decode(bytes, source: "input")
      _ = (AnalysisRecord(json).json, ProductsFile(json).json, RunSummary(json).json)
      _ = (RunDescription(json).json, MemoryForecast(json).json, PrecisionRecord(json)?.json)
    case .products:
      let file = ProductsFile(try JSONValue.decode(bytes, source: "input"))
      let products = file.names.compactMap { file[$0] }.flatMap(\.products)
      for decision in products.compactMap({ ProductDecision($0) }) {
        precondition(ProductDecision(decision.record)?.variant == decision.variant)
      }
    case .jinja:
      _ = try ChatTemplate.recognised(
        String(decoding: bytes, as: UTF8.self), begin: "<s>", end: "</s>")
    }
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
}

extension Checkpoint {
  fileprivate func loadedTokenizer() throws -> any SerializedTokenizer {
    try TokenizerKind.load(tokenizerKind, tokenizerBytes)
  }
}
