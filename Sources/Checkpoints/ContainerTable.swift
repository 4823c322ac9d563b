import Storage
import Tensors

/// The blobs and tensors of a header, each checked against the file: types, shapes, lengths,
/// alignment and bounds, with no gaps, overlaps or duplicate names.
struct ContainerTable {
  private(set) var blobs: [String: Range<Int>] = [:]
  private(set) var tensors: [StoredTensor] = []

  private let path: String
  private let file: MappedFile
  private let dataStart: Int
  private let dataLength: Int
  private var sections: [ContainerSection] = []

  init(_ header: JSONFields, file: MappedFile, dataStart: Int) throws(CheckpointError) {
    path = header.path
    self.file = file
    self.dataStart = dataStart
    dataLength = file.bytes.count - dataStart
    guard dataLength >= 0 else {
      throw .damaged(
        path: path, field: "file length", found: "\(file.bytes.count) bytes",
        expected: "at least \(dataStart)")
    }
    for fields in try header.list("blobs") { try addBlob(fields) }
    var names: Set<String> = []
    for fields in try header.list("tensors") {
      let tensor = try tensor(fields)
      guard names.insert(tensor.name).inserted else {
        throw fields.problem("name", .string(tensor.name), "a name that stands once")
      }
      tensors.append(tensor)
    }
    try checkPacking()
  }

  private mutating func addBlob(_ fields: JSONFields) throws(CheckpointError) {
    try fields.allow(["name", "offset", "length"])
    let name = try fields.string("name")
    let range = try section(name, fields, "offset", length: fields.int("length"))
    guard blobs.updateValue(range, forKey: name) == nil else {
      throw fields.problem("name", .string(name), "a name that stands once")
    }
  }

  private mutating func tensor(_ fields: JSONFields) throws(CheckpointError) -> StoredTensor {
    let name = try fields.string("name")
    guard !name.isEmpty else { throw fields.problem("name", "", "a name") }
    let typeName = try fields.string("type")
    guard let type = ElementType(rawValue: typeName), type != .int32 else {
      throw fields.problem("type", .string(typeName), "f32, bf16 or int8")
    }
    let (shape, expected) = try shape(fields, type)
    let length = try fields.int("length")
    guard length == expected else {
      throw fields.problem("length", .int(length), "\(expected) for \(typeName) \(shape)")
    }
    let range = try section(name, fields, "offset", length: length)
    let data = UnsafeRawBufferPointer(rebasing: file.bytes[range])
    guard type == .int8 else {
      try fields.allow(["name", "type", "shape", "offset", "length"])
      return StoredTensor(name: name, elementType: type, shape: shape, data: data, owner: file)
    }
    try fields.allow(["name", "type", "shape", "offset", "length", "scales_offset"])
    let scales = try section(
      "\(name) (scales)", fields, "scales_offset", length: shape[0] * MemoryLayout<Float>.size)
    return StoredTensor(
      name: name, elementType: type, shape: shape, data: data,
      scales: UnsafeRawBufferPointer(rebasing: file.bytes[scales]).bindMemory(to: Float.self),
      owner: file)
  }

  /// The shape and the byte count of its elements, with overflow checks.
  private func shape(
    _ fields: JSONFields, _ type: ElementType
  ) throws(CheckpointError) -> (Shape, Int) {
    var extents: [Int] = []
    var bytes = type.byteCount
    for value in try fields.array("shape") {
      guard let extent = value.int, extent >= 1 else {
        throw fields.problem("shape", value, "extents from 1")
      }
      let (product, overflow) = bytes.multipliedReportingOverflow(by: extent)
      guard !overflow, product <= dataLength else {
        throw fields.problem("shape", value, "a shape that fits the file's \(dataLength) bytes")
      }
      bytes = product
      extents.append(extent)
    }
    let allowed = type == .int8 ? 2...2 : 1...4
    guard allowed.contains(extents.count) else {
      throw fields.problem("shape", .int(extents.count), "\(allowed) axes for \(type.rawValue)")
    }
    return (Shape(extents), bytes)
  }

  private mutating func section(
    _ name: String, _ fields: JSONFields, _ key: String, length: Int
  ) throws(CheckpointError) -> Range<Int> {
    let offset = try fields.int(key)
    guard offset % ContainerLayout.alignment == 0 else {
      throw fields.problem(key, .int(offset), "a multiple of \(ContainerLayout.alignment)")
    }
    guard length <= dataLength, offset <= dataLength - length else {
      throw fields.problem(
        key, .int(offset), "\(length) bytes within the file's \(dataLength) bytes of data")
    }
    sections.append(ContainerSection(name: name, offset: offset, length: length))
    return (dataStart + offset)..<(dataStart + offset + length)
  }

  /// Checks that each section starts at the next aligned offset and the last one ends the file.
  private func checkPacking() throws(CheckpointError) {
    var end = 0
    var previous = "the start"
    for section in sections.sorted(by: { ($0.offset, $0.length) < ($1.offset, $1.length) }) {
      let expected = ContainerLayout.aligned(end)
      guard section.offset == expected else {
        let what = section.offset < end ? "overlaps" : "leaves a gap after"
        throw .damaged(
          path: path, field: "offset of \(section.name)",
          found: "\(section.offset), which \(what) \(previous)", expected: "\(expected)")
      }
      end = section.offset + section.length
      previous = section.name
    }
    guard end == dataLength else {
      throw .damaged(
        path: path, field: "file length", found: "\(dataLength) bytes of data",
        expected: "\(end), where the last section ends")
    }
  }
}
