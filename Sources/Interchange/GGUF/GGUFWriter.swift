import Checkpoints
import Storage
import Tensors

/// Writes a GGUF file of version 3 front to back: header, metadata, the table of tensors, then the
/// tensors' bytes, a chunk of one of them in memory at a time.
struct GGUFWriter {
  /// A tensor to be written.
  struct Tensor {
    let name: String
    /// The extents, outermost first.
    let shape: [Int]
    let type: ForeignElementType
    /// Rows that are read together, so that they can change places; 1 where they keep them.
    var rowGroup = 1
    /// Writes rows as f32; ranges begin and end between groups.
    let read: (_ rows: Range<Int>, _ target: UnsafeMutablePointer<Float>) -> Void

    /// Elements of a row; a vector is one row.
    var width: Int { shape[shape.count - 1] }
    /// Rows as the file counts them.
    var rowCount: Int { shape.dropLast().reduce(1, *) }
    var byteCount: Int { GGUFEncoder.byteCount(rowCount * width, type) }
  }

  private static let alignment = 32
  /// Elements that are converted at a time, unless a group of rows has more.
  private static let chunkElements = 1 << 18

  /// Metadata in the order of writing.
  private(set) var values: [(key: String, value: Value)] = []
  var tensors: [Tensor] = []

  /// Adds a value.
  mutating func add(_ key: String, _ value: Value) { values.append((key, value)) }

  /// Writes the file; `path` gets the whole of it or is left as it was.
  /// - Throws: `CheckpointError`; `.unusableWeight` for a weight that is too large for its type.
  func write(to path: String) throws(CheckpointError) {
    let file = try wrapping { () throws(StorageError) in try AtomicFile(path: path) }
    try wrapping { () throws(StorageError) in
      try file.write(header)
      try file.pad(to: Self.aligned(file.position))
    }
    for tensor in tensors {
      try write(tensor, to: file, path)
      try wrapping { () throws(StorageError) in try file.pad(to: Self.aligned(file.position)) }
    }
    try wrapping { () throws(StorageError) in try file.commit() }
  }

  private static func aligned(_ offset: Int) -> Int {
    (offset + alignment - 1) / alignment * alignment
  }

  private var header: [UInt8] {
    var bytes = GGUFBytes()
    bytes.raw(GGUFFile.magic)
    bytes.integer(UInt32(3))
    bytes.integer(UInt64(tensors.count))
    bytes.integer(UInt64(values.count))
    for (key, value) in values {
      bytes.text(key)
      value.append(to: &bytes)
    }
    var offset = 0
    for tensor in tensors {
      bytes.text(tensor.name)
      bytes.integer(UInt32(tensor.shape.count))
      for extent in tensor.shape.reversed() { bytes.integer(UInt64(extent)) }
      bytes.integer(GGUFEncoder.id(of: tensor.type))
      bytes.integer(UInt64(offset))
      offset += Self.aligned(tensor.byteCount)
    }
    return bytes.bytes
  }

  private func write(
    _ tensor: Tensor, to file: AtomicFile, _ path: String
  ) throws(CheckpointError) {
    let group = tensor.rowGroup
    let rows = max(1, Self.chunkElements / (tensor.width * group)) * group
    let capacity = min(rows, tensor.rowCount) * tensor.width
    let floats = UnsafeMutablePointer<Float>.allocate(capacity: capacity)
    defer { floats.deallocate() }
    let bytes = UnsafeMutableRawPointer.allocate(
      byteCount: GGUFEncoder.byteCount(capacity, tensor.type), alignment: 16)
    defer { bytes.deallocate() }
    for start in stride(from: 0, to: tensor.rowCount, by: rows) {
      let range = start..<min(start + rows, tensor.rowCount)
      tensor.read(range, floats)
      let count = range.count * tensor.width
      try tensor.type.check(floats, count: count, tensor: tensor.name, path: path)
      GGUFEncoder.encode(floats, count: count, as: tensor.type, into: bytes)
      try wrapping { () throws(StorageError) in
        try file.write(
          UnsafeRawBufferPointer(
            start: bytes, count: GGUFEncoder.byteCount(count, tensor.type)))
      }
    }
  }
}

// MARK: metadata

extension GGUFWriter {
  /// A value of the metadata.
  enum Value {
    case count(Int)
    case single(Float)
    case flag(Bool)
    case text(String)
    case texts([String])
    case singles([Float])
    case integers([Int32])

    fileprivate func append(to bytes: inout GGUFBytes) {
      switch self {
      case .count(let value): bytes.tagged(.uint32) { $0.integer(UInt32(clamping: value)) }
      case .single(let value): bytes.tagged(.float32) { $0.integer(value.bitPattern) }
      case .flag(let value): bytes.tagged(.bool) { $0.integer(UInt8(value ? 1 : 0)) }
      case .text(let value): bytes.tagged(.string) { $0.text(value) }
      case .texts(let values):
        bytes.list(.string, values.count)
        for value in values { bytes.text(value) }
      case .singles(let values):
        bytes.list(.float32, values.count)
        for value in values { bytes.integer(value.bitPattern) }
      case .integers(let values):
        bytes.list(.int32, values.count)
        for value in values { bytes.integer(value) }
      }
    }
  }
}

/// Bytes of a GGUF file's header, little-endian.
private struct GGUFBytes {
  private(set) var bytes: [UInt8] = []

  mutating func raw(_ more: [UInt8]) { bytes += more }

  mutating func integer<T: FixedWidthInteger>(_ value: T) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }

  mutating func text(_ value: String) {
    integer(UInt64(value.utf8.count))
    bytes += value.utf8
  }

  /// A value behind the number of its type.
  mutating func tagged(_ type: GGUFValueType, _ body: (inout GGUFBytes) -> Void) {
    integer(type.rawValue)
    body(&self)
  }

  /// What precedes a list's elements.
  mutating func list(_ type: GGUFValueType, _ count: Int) {
    integer(GGUFValueType.array.rawValue)
    integer(type.rawValue)
    integer(UInt64(count))
  }
}
