import Checkpoints
import Storage

/// A mapped GGUF file of version 2 or 3, little-endian: magic, version, counts, metadata, a table of
/// tensors, then the tensors' bytes, each at a multiple of the alignment (ggml's `docs/gguf.md`).
final class GGUFFile: Sendable {
  let file: MappedFile
  let metadata: GGUFMetadata
  /// The tensors by name.
  let tensors: [String: GGUFTensor]

  var path: String { file.path }

  static let magic = Array("GGUF".utf8)
  private static let alignmentKey = "general.alignment"
  /// Bytes of a key or a tensor's name; ggml allows names of 63.
  private static let nameLimit = 1024
  /// More than any model has.
  private static let entryLimit = 1 << 16

  /// Whether a file begins as GGUF files do.
  static func begins(_ file: MappedFile) -> Bool { file.bytes.starts(with: magic) }

  /// Checks the header: types, counts, lengths and places; no two tensors share bytes.
  init(_ file: MappedFile) throws(CheckpointError) {
    self.file = file
    var reader = GGUFReader(file)
    try Self.checkVersion(&reader)
    // A tensor takes at least 24 bytes of the header, a value 13.
    let tensorCount = try reader.count(unit: 24, limit: Self.entryLimit, "tensor count")
    let valueCount = try reader.count(unit: 13, limit: Self.entryLimit, "metadata count")
    metadata = try Self.metadata(&reader, count: valueCount)
    let alignment = try Self.alignment(metadata)
    var entries: [Entry] = []
    for index in 0..<tensorCount {
      entries.append(try Self.entry(&reader, index: index, alignment: alignment))
    }
    let start = (reader.offset + alignment - 1) / alignment * alignment
    tensors = try Self.placed(entries, start: start, file)
  }

  private static func checkVersion(_ reader: inout GGUFReader) throws(CheckpointError) {
    let path = reader.file.path
    guard begins(reader.file) else {
      throw .wrongKind(path: path, found: "a file of another kind", expected: "a GGUF file")
    }
    _ = try reader.integer(UInt32.self, "magic")
    let version = try reader.integer(UInt32.self, "version")
    if version == 2 || version == 3 { return }
    let isSwapped = version & 0xFFFF == 0 && version != 0
    throw .unsupported(
      path: path, field: "version",
      found: isSwapped ? "a big-endian file of version \(version.byteSwapped)" : "\(version)",
      expected: "2 or 3, little-endian")
  }

  private static func metadata(
    _ reader: inout GGUFReader, count: Int
  ) throws(CheckpointError) -> GGUFMetadata {
    var values: [String: GGUFValue] = [:]
    for index in 0..<count {
      let key = try reader.string(limit: nameLimit, "key \(index) of the metadata")
      guard values[key] == nil else {
        throw .damaged(
          path: reader.file.path, field: "metadata", found: "'\(key)' twice", expected: "keys once")
      }
      values[key] = try reader.value(try reader.type(key), key)
    }
    return GGUFMetadata(file: reader.file, values: values)
  }

  private static func alignment(_ metadata: GGUFMetadata) throws(CheckpointError) -> Int {
    let value = try metadata.integer(alignmentKey, in: 1...Int.max) ?? 32
    guard value.nonzeroBitCount == 1, (8...1 << 20).contains(value) else {
      throw metadata.problem(alignmentKey, "a power of two from 8 to \(1 << 20)")
    }
    return value
  }
}

// MARK: the table of tensors

extension GGUFFile {
  /// A tensor's row of the table.
  private struct Entry {
    let name: String
    let type: GGUFElementType
    /// Outermost extent first.
    let shape: [Int]
    /// Offset from the start of the tensors' bytes.
    let offset: UInt64
    let byteCount: Int
  }

  private static func entry(
    _ reader: inout GGUFReader, index: Int, alignment: Int
  ) throws(CheckpointError) -> Entry {
    let path = reader.file.path
    let name = try reader.string(limit: nameLimit, "name of tensor \(index)")
    let extents = try extents(&reader, of: name)
    let type = try type(&reader, of: name)
    guard extents[0] % type.blockElements == 0 else {
      throw .damaged(
        path: path, field: "shape of '\(name)'", found: "rows of \(extents[0]) elements",
        expected: "a multiple of \(type.blockElements), the block of \(type.name)")
    }
    let offset = try reader.integer(UInt64.self, "offset of '\(name)'")
    guard offset % UInt64(alignment) == 0 else {
      throw .damaged(
        path: path, field: "offset of '\(name)'", found: "\(offset)",
        expected: "a multiple of the alignment, \(alignment)")
    }
    let elements = extents.reduce(1, *)
    return Entry(
      name: name, type: type, shape: extents.reversed(), offset: offset,
      byteCount: elements / type.blockElements * type.blockBytes)
  }

  /// A tensor's extents, innermost first, whose product is at most 2⁴⁸.
  private static func extents(
    _ reader: inout GGUFReader, of name: String
  ) throws(CheckpointError) -> [Int] {
    let path = reader.file.path
    let rank = try reader.integer(UInt32.self, "rank of '\(name)'")
    guard (1...4).contains(rank) else {
      throw .damaged(path: path, field: "rank of '\(name)'", found: "\(rank)", expected: "1 to 4")
    }
    var extents: [Int] = []
    var elements = 1
    for _ in 0..<rank {
      let extent = try reader.integer(UInt64.self, "shape of '\(name)'")
      let (product, overflow) = elements.multipliedReportingOverflow(by: Int(clamping: extent))
      guard extent > 0, !overflow, product <= 1 << 48 else {
        throw .damaged(
          path: path, field: "shape of '\(name)'", found: "an extent of \(extent)",
          expected: "extents from 1, of at most 2⁴⁸ elements")
      }
      elements = product
      extents.append(Int(extent))
    }
    return extents
  }

  private static func type(
    _ reader: inout GGUFReader, of name: String
  ) throws(CheckpointError) -> GGUFElementType {
    let number = try reader.integer(UInt32.self, "type of '\(name)'")
    guard let type = GGUFElementType.numbered(number) else {
      throw .unsupported(
        path: reader.file.path, field: "type of '\(name)'",
        found: GGUFElementType.name(ofNumber: number),
        expected: GGUFElementType.all.map { $0.name }.joined(separator: ", "))
    }
    return type
  }

  /// The tensors by name, if each lies within the file and apart from all others.
  private static func placed(
    _ entries: [Entry], start: Int, _ file: MappedFile
  ) throws(CheckpointError) -> [String: GGUFTensor] {
    var tensors: [String: GGUFTensor] = [:]
    var end = 0
    let room = max(0, file.bytes.count - start)
    for entry in entries.sorted(by: { ($0.offset, $0.byteCount) < ($1.offset, $1.byteCount) }) {
      let field = "offset of '\(entry.name)'"
      guard entry.byteCount <= room, entry.offset <= UInt64(room - entry.byteCount) else {
        throw .damaged(
          path: file.path, field: field, found: "\(entry.offset) with \(entry.byteCount) bytes",
          expected: "a place within the \(room) bytes of tensors that the file has")
      }
      let offset = Int(entry.offset)
      guard offset >= end else {
        throw .damaged(
          path: file.path, field: field,
          found: "\(offset), inside the tensor before it", expected: "\(end) or more")
      }
      guard tensors[entry.name] == nil else {
        throw .damaged(
          path: file.path, field: "tensors", found: "'\(entry.name)' twice", expected: "names once")
      }
      end = offset + entry.byteCount
      tensors[entry.name] = GGUFTensor(
        name: entry.name, type: entry.type, shape: entry.shape,
        range: (start + offset)..<(start + end))
    }
    return tensors
  }
}
