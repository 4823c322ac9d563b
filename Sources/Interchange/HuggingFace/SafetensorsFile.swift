import Checkpoints
import Storage
import Tensors

/// A `.safetensors` file: the length of a JSON header in 8 bytes, the header, then the tensors'
/// bytes without gaps.
final class SafetensorsFile: Sendable {
  /// A tensor of the header; `range` counts from the start of the file.
  struct Entry: Sendable {
    let type: String
    let shape: [Int]
    let range: Range<Int>

    /// Consecutive rows of the tensor, which has at least as many.
    func part(_ rows: Range<Int>) -> Entry {
      let rowBytes = range.count / max(1, shape.first ?? 1)
      let start = range.lowerBound + rows.lowerBound * rowBytes
      return Entry(
        type: type, shape: [rows.count] + shape.dropFirst(),
        range: start..<start + rows.count * rowBytes)
    }
  }

  let path: String
  let file: MappedFile
  let entries: [String: Entry]

  /// The format's own limit on the header's bytes.
  private static let headerLimit = 100_000_000
  private static let elementBytes = [
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2,
    "U16": 2, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1,
  ]

  /// Maps a file and checks its header: types, shapes and lengths, with no gaps or overlaps.
  init(path: String) throws(CheckpointError) {
    self.path = path
    let file = try wrapping { () throws(StorageError) in try MappedFile(path: path) }
    self.file = file
    var reader = ByteReader(file.bytes, source: path)
    let length = try wrapping { () throws(StorageError) in
      try reader.integer(UInt64.self, "header length")
    }
    let room = min(Self.headerLimit, reader.remaining)
    guard length >= 2, length <= UInt64(room) else {
      throw .damaged(
        path: path, field: "header length", found: "\(length)", expected: "2 to \(room)")
    }
    let header = try wrapping { () throws(StorageError) in
      try JSONValue.decode(
        try reader.slice(Int(length), "header"), source: "\(path) (header)")
    }
    guard let object = header.object else {
      throw .damaged(path: path, field: "header", found: header.kind, expected: "an object")
    }
    var entries: [String: Entry] = [:]
    for member in object.members where member.key != "__metadata__" {
      let fields = try JSONFields(member.value, path: path, place: "tensor '\(member.key)'")
      entries[member.key] = try Self.entry(fields, dataStart: reader.offset, reader.remaining)
    }
    self.entries = entries
    try Self.checkPacking(entries, path: path, start: reader.offset, end: file.bytes.count)
  }

  private static func entry(
    _ fields: JSONFields, dataStart: Int, _ dataLength: Int
  ) throws(CheckpointError) -> Entry {
    try fields.allow(["dtype", "shape", "data_offsets"])
    let type = try fields.string("dtype")
    guard let size = elementBytes[type] else {
      throw .unsupported(
        path: fields.path, field: fields.name("dtype"), found: JSONFields.shown(.string(type)),
        expected: "F32, F16 or BF16")
    }
    var shape: [Int] = []
    var length = size
    for value in try fields.array("shape") {
      guard let extent = value.int, extent >= 0 else {
        throw fields.problem("shape", value, "extents from 0")
      }
      let (product, overflow) = length.multipliedReportingOverflow(by: extent)
      guard !overflow else { throw fields.problem("shape", value, "a shape that fits the file") }
      length = product
      shape.append(extent)
    }
    let offsets = try fields.array("data_offsets").compactMap(\.int)
    guard offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] <= dataLength
    else {
      throw fields.problem(
        "data_offsets", object: "a start and an end within the file's \(dataLength) bytes")
    }
    guard offsets[1] - offsets[0] == length else {
      throw fields.problem(
        "data_offsets", .int(offsets[1] - offsets[0]), "\(length) bytes for \(type) \(shape)")
    }
    return Entry(
      type: type, shape: shape, range: (dataStart + offsets[0])..<(dataStart + offsets[1]))
  }

  private static func checkPacking(
    _ entries: [String: Entry], path: String, start: Int, end: Int
  ) throws(CheckpointError) {
    var position = start
    let sorted = entries.sorted {
      ($0.value.range.lowerBound, $0.value.range.upperBound)
        < ($1.value.range.lowerBound, $1.value.range.upperBound)
    }
    for (name, entry) in sorted {
      guard entry.range.lowerBound == position else {
        let what = entry.range.lowerBound < position ? "overlaps the tensor" : "leaves a gap"
        throw .damaged(
          path: path, field: "data_offsets of '\(name)'",
          found: "\(entry.range.lowerBound - start), which \(what) before it",
          expected: "\(position - start)")
      }
      position = entry.range.upperBound
    }
    guard position == end else {
      throw .damaged(
        path: path, field: "file length", found: "\(end) bytes",
        expected: "\(position), where the last tensor ends")
    }
  }

  /// The elements of a tensor whose entry passed the checks.
  func source(_ name: String, _ entry: Entry) throws(CheckpointError) -> TensorSource {
    let data = UnsafeRawBufferPointer(rebasing: file.bytes[entry.range])
    let shape = Shape(entry.shape)
    switch entry.type {
    case "F32", "BF16":
      return .stored(
        StoredTensor(
          name: name, elementType: entry.type == "F32" ? .f32 : .bf16, shape: shape, data: data,
          owner: file))
    case "F16":
      let width = shape.extents.dropFirst().reduce(1, *)
      return .rows { [file] (range, target) throws(CheckpointError) in
        let start = entry.range.lowerBound + 2 * range.lowerBound * width
        for i in 0..<(range.count * width) {
          let bits = file.bytes.loadUnaligned(fromByteOffset: start + 2 * i, as: UInt16.self)
          target[i] = float(halfBits: bits)
        }
        file.releasePages(start..<(start + 2 * range.count * width))
      }
    default:
      throw .unsupported(
        path: path, field: "dtype of '\(name)'", found: entry.type, expected: "F32, F16 or BF16")
    }
  }
}

extension SafetensorsFile {
  /// Whether two tensors have the same shape and the same values, whatever their types.
  static func areEqual(
    _ a: (file: SafetensorsFile, entry: Entry), _ b: (file: SafetensorsFile, entry: Entry)
  ) throws(CheckpointError) -> Bool {
    guard a.entry.shape == b.entry.shape, let rows = a.entry.shape.first else { return false }
    let width = a.entry.shape.dropFirst().reduce(1, *)
    let sources = (
      try a.file.source("the first", a.entry), try b.file.source("the second", b.entry)
    )
    let chunk = max(1, (1 << 18) / max(1, width))
    for start in stride(from: 0, to: rows, by: chunk) {
      let range = start..<min(start + chunk, rows)
      let count = range.count * width
      let values = (
        try sources.0.values(range, count: count), try sources.1.values(range, count: count)
      )
      guard values.0.elementsEqual(values.1, by: { $0.bitPattern == $1.bitPattern }) else {
        return false
      }
    }
    return true
  }
}

extension TensorSource {
  /// Rows of it.
  fileprivate func values(_ rows: Range<Int>, count: Int) throws(CheckpointError) -> [Float] {
    var values = [Float](repeating: 0, count: count)
    let target = UnsafeMutablePointer<Float>.allocate(capacity: count)
    defer { target.deallocate() }
    switch self {
    case .stored(let tensor):
      tensor.widenRows(rows, into: target)
      tensor.releasePages(ofRows: rows)
    case .rows(let read): try read(rows, target)
    case .integers(let integers): try integers.read(rows, target)
    case .values(let all): return all
    }
    for i in 0..<count { values[i] = target[i] }
    return values
  }
}

extension JSONFields {
  /// An error about a member that is a list.
  fileprivate func problem(_ key: String, object expected: String) -> CheckpointError {
    .damaged(
      path: path, field: name(key), found: object[key]?.encoded() ?? "nothing", expected: expected)
  }
}
