import Checkpoints
import Models
import Storage
import Tensors

/// The `.bin` files of llama2.c (Karpathy 2023), versions 0 (`f32`, no magic), 1 (`f32`) and 2
/// (`int8` in groups with an `f32` scale each). The header determines the file's exact size.
public enum Llama2cFormat: ImportFormat {
  public static let origin = CheckpointOrigin.llama2c
  /// "ak42", little-endian.
  static let magic: UInt32 = 0x616b_3432

  public static func recognises(_ source: ImportSource) -> Bool {
    guard case .file(let file) = source else { return false }
    var reader = ByteReader(file.bytes, source: file.path)
    if (try? reader.integer(UInt32.self, "magic")) == magic { return true }
    return (try? Llama2cHeader(file))?.version == 0
  }

  public static func open(_ source: ImportSource) throws(CheckpointError) -> ImportedModel {
    guard case .file(let file) = source else {
      throw .wrongKind(path: source.path, found: "a folder", expected: origin.rawValue)
    }
    let header = try Llama2cHeader(file)
    let layout = try Llama2cLayout(header, file)
    let parameters = Dictionary(
      uniqueKeysWithValues: header.configuration.parameters.map { ($0.name, $0) })
    return ImportedModel(
      configuration: header.configuration, elementType: .f32,
      tensors: { (name) throws(CheckpointError) in
        guard let parameter = parameters[name], let place = layout.places[name] else {
          preconditionFailure("no parameter '\(name)'")
        }
        let rows = Llama2cRows(
          file: file, place: place, shape: parameter.shape,
          interleavedHeadWidth: parameter.hasRotaryRows ? header.configuration.headWidth : nil)
        return .rows { (range, target) throws(CheckpointError) in rows.read(range, into: target) }
      })
  }
}

/// The header of any version.
struct Llama2cHeader {
  let version: Int
  let configuration: ModelConfiguration
  /// Elements that share a scale; version 2 only.
  let groupSize: Int
  /// Offset of the weights in bytes.
  let length: Int

  init(_ file: MappedFile) throws(CheckpointError) {
    let path = file.path
    var reader = ByteReader(file.bytes, source: path)
    let first = try wrapping { () throws(StorageError) in
      try reader.integer(UInt32.self, "magic")
    }
    guard first == Llama2cFormat.magic else {
      version = 0
      groupSize = 0
      length = 28
      let numbers = try Self.numbers(file, offset: 0)
      configuration = try Self.configuration(numbers, path: path, tiedHead: numbers[5] > 0)
      return
    }
    let (version, shared, groupSize) = try wrapping { () throws(StorageError) in
      let version = try reader.integer(Int32.self, "version")
      try reader.skip(28, "header")
      return (
        Int(version), try reader.integer(UInt8.self, "shared classifier"),
        Int(try reader.integer(Int32.self, "group size"))
      )
    }
    guard version == 1 || version == 2 else {
      throw .unsupported(
        path: path, field: "version", found: "\(version)", expected: "0 (without magic), 1 or 2")
    }
    guard shared <= 1 else {
      throw .damaged(
        path: path, field: "shared classifier", found: "\(shared)", expected: "0 or 1")
    }
    let numbers = try Self.numbers(file, offset: 8)
    guard numbers[5] > 0 else {
      throw .damaged(
        path: path, field: "vocab_size", found: "\(numbers[5])", expected: "a positive number")
    }
    self.version = version
    self.groupSize = groupSize
    length = 256
    configuration = try Self.configuration(numbers, path: path, tiedHead: shared == 1)
  }

  private static func numbers(
    _ file: MappedFile, offset: Int
  ) throws(CheckpointError) -> [Int] {
    var reader = ByteReader(file.bytes, source: file.path, offset: offset)
    var numbers: [Int] = []
    for field in [
      "dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size", "seq_len",
    ] {
      let number = try wrapping { () throws(StorageError) in
        try reader.integer(Int32.self, field)
      }
      numbers.append(Int(number))
    }
    return numbers
  }

  private static func configuration(
    _ numbers: [Int], path: String, tiedHead: Bool
  ) throws(CheckpointError) -> ModelConfiguration {
    let (width, heads) = (numbers[0], numbers[3])
    guard width > 0, heads > 0, width % heads == 0 else {
      throw .damaged(
        path: path, field: "dim", found: "\(width) with \(heads) heads",
        expected: "a positive multiple of the heads")
    }
    let configuration = ModelConfiguration(
      width: width, hiddenWidth: numbers[1], layers: numbers[2], queryHeads: heads,
      keyValueHeads: numbers[4], headWidth: width / heads, vocabularySize: abs(numbers[5]),
      contextLength: numbers[6], tiedHead: tiedHead)
    try configuration.checkUsable(path: path, field: "header")
    return configuration
  }
}
