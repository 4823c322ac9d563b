import Checkpoints
import Interchange
import Storage
import TestSupport

/// A Hugging Face folder in which everything is right but the file that the input is.
struct ForeignModel {
  private let folder: String
  private var model: String { "\(folder)/model" }
  private var base: String { "\(folder)/tiny.sfckpt" }

  /// Writes a tiny model, where the folder has none.
  init(_ folder: String) throws {
    self.folder = folder
    guard !Folder.exists(base) else { return }
    let configuration = TinyModel.configuration(
      width: 8, hiddenWidth: 8, layers: 1, queryHeads: 2, keyValueHeads: 1, headWidth: 4,
      vocabularySize: 16)
    let checkpoint = try TinyModel.checkpoint(
      at: base, configuration, tokenizer: TinyModel.wordTokenizer(pieces: 16))
    _ = try HuggingFaceExport.write(ExportedModel(checkpoint), as: .f32, to: model)
  }

  /// Imports the folder with the reader's file made of the input.
  func read(_ reader: FuzzedReader, _ bytes: [UInt8]) throws {
    switch reader {
    case .safetensors: try put(Self.framed(bytes), "model.safetensors")
    case .index:
      let weights = "\(model)/model.safetensors"
      if Folder.exists(weights) { try Folder.move(weights, to: "\(model)/part.safetensors") }
      try put(bytes, "model.safetensors.index.json")
    case .settings: try put(bytes, "tokenizer_config.json")
    case .vocabulary:
      let other = "\(model)/tokenizer.model"
      if Folder.exists(other) { try Folder.move(other, to: "\(folder)/tokenizer.model") }
      try put(bytes, "tokenizer.json")
    default: try put(bytes, "config.json")
    }
    try Self.read(model, folder)
  }

  /// Reads a PEFT adapter for the model: its configuration up to the first zero, then its tensors.
  func readAdapter(_ bytes: [UInt8]) throws {
    let adapter = "\(folder)/adapter"
    try Folder.create(adapter)
    let configuration = Array(bytes.prefix { $0 != 0 })
    try ScratchWriter.write(configuration, to: "\(adapter)/adapter_config.json")
    try ScratchWriter.write(
      Self.framed(Array(bytes.dropFirst(configuration.count + 1))),
      to: "\(adapter)/adapter_model.safetensors")
    try PEFTImport.run(
      folder: adapter, base: Checkpoint.open(base), elementType: .f32,
      output: "\(folder)/adapter.sfdelta")
  }

  /// Imports a file or folder.
  static func read(_ path: String, _ folder: String) throws {
    _ = try CheckpointImport.run(
      source: path, tokenizer: nil, elementType: nil, output: "\(folder)/output")
  }

  private func put(_ bytes: [UInt8], _ name: String) throws {
    try ScratchWriter.write(bytes, to: "\(model)/\(name)")
  }

  /// A safetensors file: the length of the header up to the first zero, the header, then data.
  private static func framed(_ bytes: [UInt8]) -> [UInt8] {
    let header = Array(bytes.prefix { $0 != 0 })
    var file: [UInt8] = []
    withUnsafeBytes(of: UInt64(header.count).littleEndian) { file += Array($0) }
    return file + header + bytes.dropFirst(header.count + 1)
  }
}
