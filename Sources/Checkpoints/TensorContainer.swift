import Storage
import Tensors

/// A tensor file that passed every check: preamble, hash, header, table, bounds, no overlap.
final class TensorContainer: Sendable {
  let path: String
  let kind: TensorFileKind
  /// The format version, one that the file's kind supports.
  let version: UInt32
  /// SHA-256 of everything after the preamble, in hexadecimal digits.
  let contentHash: String
  /// The header with all its members.
  let header: JSONObject
  /// The tensors in file order.
  let tensors: [StoredTensor]
  private let file: MappedFile
  private let blobs: [String: Range<Int>]
  private let positions: [String: Int]

  /// Maps and checks a file.
  ///
  /// - Parameter writtenHash: the content hash, if this process has just written the file: its bytes
  ///   are then not read for hashing them again.
  /// - Throws: `CheckpointError`, always of category bad data where the file can be read.
  init(
    path: String, kind: TensorFileKind, writtenHash: String? = nil
  ) throws(CheckpointError) {
    let file = try wrapping { () throws(StorageError) in try MappedFile(path: path) }
    let preamble = try Preamble(file, kind)
    if writtenHash != ContentHash.hexadecimal(preamble.digest) {
      try preamble.checkHash(of: file)
    }
    let start = ContainerLayout.preambleLength
    let text = UnsafeRawBufferPointer(
      rebasing: file.bytes[start..<(start + preamble.headerLength)])
    let value = try wrapping { () throws(StorageError) in
      try JSONValue.decode(text, source: "\(path) (header)")
    }
    guard let object = value.object else {
      throw .damaged(path: path, field: "header", found: value.kind, expected: "an object")
    }
    let table = try ContainerTable(
      JSONFields(object, path: path), file: file,
      dataStart: ContainerLayout.dataStart(headerLength: preamble.headerLength))
    self.path = path
    self.kind = kind
    self.version = preamble.version
    self.file = file
    self.header = object
    self.contentHash = ContentHash.hexadecimal(preamble.digest)
    self.tensors = table.tensors
    self.blobs = table.blobs
    self.positions = Dictionary(
      uniqueKeysWithValues: table.tensors.enumerated().map { ($1.name, $0) })
  }

  /// The header's members without the tables, which the container reads itself.
  func fields(_ keys: [String]) throws(CheckpointError) -> JSONFields {
    let fields = JSONFields(header, path: path)
    try fields.allow(["kind", "blobs", "tensors"] + keys)
    return fields
  }

  func tensor(_ name: String) -> StoredTensor? { positions[name].map { tensors[$0] } }

  func blob(_ name: String) -> UnsafeRawBufferPointer? {
    blobs[name].map { UnsafeRawBufferPointer(rebasing: file.bytes[$0]) }
  }

  var blobNames: [String] { blobs.keys.sorted() }
  var byteCount: Int { file.bytes.count }

  /// - Throws: `StorageError.changed` if the file was written to since it was opened.
  func checkUnchanged() throws(StorageError) { try file.checkUnchanged() }

  func releasePages() { file.releasePages(0..<file.bytes.count) }
}

/// The file's first 64 bytes, checked against its actual length.
private struct Preamble {
  let version: UInt32
  let headerLength: Int
  let digest: [UInt8]

  init(_ file: MappedFile, _ kind: TensorFileKind) throws(CheckpointError) {
    let path = file.path
    try Self.checkMagic(file, kind)
    var reader = ByteReader(file.bytes, source: path, offset: 8)
    let numbers = try wrapping { () throws(StorageError) in
      (
        version: try reader.integer(UInt32.self, "version"),
        reserved: try reader.integer(UInt32.self, "reserved"),
        header: try reader.integer(UInt64.self, "header length"),
        file: try reader.integer(UInt64.self, "file length"),
        digest: Array(try reader.slice(ContentHash.digestLength, "content hash"))
      )
    }
    guard kind.versions.contains(numbers.version) else {
      let known = kind.versions.map(String.init).joined(separator: " or ")
      throw .unsupported(
        path: path, field: "version", found: "\(numbers.version)",
        expected: "\(known) (is the file newer than this program?)")
    }
    guard numbers.reserved == 0 else {
      throw .damaged(path: path, field: "reserved", found: "\(numbers.reserved)", expected: "0")
    }
    guard numbers.file == UInt64(file.bytes.count) else {
      throw .damaged(
        path: path, field: "file length", found: "\(file.bytes.count) bytes",
        expected: "\(numbers.file) bytes, as the preamble says")
    }
    let room = min(ContainerLayout.headerLimit, file.bytes.count - ContainerLayout.preambleLength)
    guard numbers.header >= 2, numbers.header <= UInt64(room) else {
      throw .damaged(
        path: path, field: "header length", found: "\(numbers.header)", expected: "2 to \(room)")
    }
    version = numbers.version
    headerLength = Int(numbers.header)
    digest = numbers.digest
  }

  private static func checkMagic(
    _ file: MappedFile, _ kind: TensorFileKind
  ) throws(CheckpointError) {
    guard !file.bytes.starts(with: kind.magic) else { return }
    let path = file.path
    if let other = TensorFileKind.allCases.first(where: { file.bytes.starts(with: $0.magic) }) {
      throw .wrongKind(
        path: path, found: "a sparseft \(other.rawValue)",
        expected: "a sparseft \(kind.rawValue)")
    }
    let first = ContentHash.hexadecimal(file.bytes.prefix(8))
    throw .wrongKind(
      path: path, found: first.isEmpty ? "an empty file" : "a file that starts with 0x\(first)",
      expected: "a sparseft \(kind.rawValue) (other formats go through 'sparseft import')")
  }

  /// Hashes the file chunk by chunk and releases each chunk's pages, so that nothing stays
  /// resident.
  func checkHash(of file: MappedFile) throws(CheckpointError) {
    let hash = ContentHash()
    let piece = 1 << 22
    var start = ContainerLayout.preambleLength
    while start < file.bytes.count {
      let end = min(start + piece, file.bytes.count)
      hash.update(UnsafeRawBufferPointer(rebasing: file.bytes[start..<end]))
      file.releasePages(start..<end)
      start = end
    }
    let found = hash.finish()
    guard found == digest else {
      throw .damaged(
        path: file.path, field: "content hash", found: ContentHash.hexadecimal(found),
        expected: ContentHash.hexadecimal(digest))
    }
  }
}
