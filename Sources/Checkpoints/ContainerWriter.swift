import Storage
import Tensors

/// A tensor to be written.
struct PlannedTensor {
  let name: String
  let elementType: ElementType
  let shape: Shape

  var dataLength: Int { shape.count * elementType.byteCount }
  var rowWidth: Int { shape.extents.dropFirst().reduce(1, *) }
}

/// Writes a tensor file front to back with one chunk of one tensor in memory; the preamble, which
/// holds the hash of the rest, is written last.
struct ContainerWriter {
  let kind: TensorFileKind
  /// The header's own members; the tables of blobs and tensors are added.
  let header: JSONObject
  let blobs: [(name: String, bytes: [UInt8])]
  let tensors: [PlannedTensor]
  /// Gets what rounding changes.
  var rounding: RoundingErrors?
  /// The file or folder that the elements come from: values that are not finite are refused in its
  /// name. Nil where any value may be written.
  var finiteSource: String?

  /// Writes the file.
  /// - Parameter source: gives the elements of the tensor at an index of `tensors`.
  /// - Returns: the content hash in hexadecimal digits.
  func write(
    to path: String, _ source: (Int) throws(CheckpointError) -> TensorSource
  ) throws(CheckpointError) -> String {
    let text = Array(headerText().utf8)
    guard text.count <= ContainerLayout.headerLimit else {
      throw .unsupported(
        path: path, field: "header", found: "\(text.count) bytes of metadata and tables",
        expected: "at most \(ContainerLayout.headerLimit)")
    }
    let file = try HashedFile(path: path)
    try file.write(text)
    try file.align()
    for blob in blobs {
      try file.align()
      try file.write(blob.bytes)
    }
    for (index, tensor) in tensors.enumerated() {
      try file.align()
      try TensorStream(
        tensor: tensor, file: file, rounding: rounding, finiteSource: finiteSource
      ).write(try source(index))
    }
    return try file.finish(kind, headerLength: text.count)
  }

  /// The header with its tables. Offsets count from the data area, so they don't depend on the
  /// header's length.
  private func headerText() -> String {
    var end = 0
    func place(_ length: Int) -> JSONValue {
      let offset = ContainerLayout.aligned(end)
      end = offset + length
      return .int(offset)
    }
    var object: JSONObject = ["kind": .string(kind.rawValue)]
    for member in header.members { object[member.key] = member.value }
    object["blobs"] = .array(
      blobs.map { blob in
        let offset = place(blob.bytes.count)
        return [
          "name": .string(blob.name), "offset": offset, "length": .int(blob.bytes.count),
        ]
      })
    object["tensors"] = .array(
      tensors.map { tensor in
        var entry: JSONObject = [
          "name": .string(tensor.name), "type": .string(tensor.elementType.rawValue),
          "shape": .array(tensor.shape.extents.map(JSONValue.int)),
          "offset": place(tensor.dataLength), "length": .int(tensor.dataLength),
        ]
        if tensor.elementType == .int8 {
          entry["scales_offset"] = place(tensor.shape[0] * MemoryLayout<Float>.size)
        }
        return .object(entry)
      })
    return JSONValue.object(object).encoded()
  }
}

/// An atomic file and the hash of what follows its preamble.
private final class HashedFile {
  let file: AtomicFile
  private let hash = ContentHash()

  init(path: String) throws(CheckpointError) {
    file = try wrapping { () throws(StorageError) in try AtomicFile(path: path) }
    try wrapping { () throws(StorageError) in
      try file.pad(to: ContainerLayout.preambleLength)
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
    hash.update(bytes)
    try wrapping { () throws(StorageError) in try file.write(bytes) }
  }

  func write(_ bytes: [UInt8]) throws(CheckpointError) {
    try bytes.withUnsafeBufferPointer { (buffer) throws(CheckpointError) in
      try write(UnsafeRawBufferPointer(buffer))
    }
  }

  func align() throws(CheckpointError) {
    let gap = ContainerLayout.aligned(file.position) - file.position
    try write([UInt8](repeating: 0, count: gap))
  }

  func finish(
    _ kind: TensorFileKind, headerLength: Int
  ) throws(CheckpointError) -> String {
    let digest = hash.finish()
    let preamble = ContainerLayout.preamble(
      kind, headerLength: headerLength, fileLength: file.position, digest: digest)
    try wrapping { () throws(StorageError) in
      try file.overwrite(preamble, at: 0)
      try file.commit()
    }
    return ContentHash.hexadecimal(digest)
  }
}

/// Writes one tensor's elements, then its row scales.
private struct TensorStream {
  let tensor: PlannedTensor
  let file: HashedFile
  let rounding: RoundingErrors?
  let finiteSource: String?
  /// Number of elements converted at a time, unless one row is longer. Small, because a run writes
  /// snapshots when its memory is at its peak.
  private let chunkElements = 1 << 16

  init(
    tensor: PlannedTensor, file: HashedFile, rounding: RoundingErrors?, finiteSource: String?
  ) {
    self.tensor = tensor
    self.file = file
    self.rounding = rounding
    self.finiteSource = finiteSource
  }

  func write(_ source: TensorSource) throws(CheckpointError) {
    switch source {
    case .stored(let stored):
      precondition(stored.shape == tensor.shape, "\(tensor.name): \(stored.shape)")
      if stored.elementType == tensor.elementType {
        try copy(stored)
      } else {
        try convert { (range, target) throws(CheckpointError) in
          stored.widenRows(range, into: target)
          stored.releasePages(ofRows: range)
        }
      }
    case .values(let values):
      precondition(values.count == tensor.shape.count, "\(tensor.name): \(values.count) values")
      let width = tensor.rowWidth
      try convert { (range, target) throws(CheckpointError) in
        for i in 0..<(range.count * width) { target[i] = values[range.lowerBound * width + i] }
      }
    case .rows(let reader):
      try convert(reader)
    case .integers(let rows):
      try convert(rows.read, integers: rows.integers)
    }
  }

  private func copy(_ stored: StoredTensor) throws(CheckpointError) {
    // Copies whole rows and releases their pages, so that nothing stays resident.
    let chunkRows = max(1, chunkElements / stored.rowWidth)
    for start in stride(from: 0, to: stored.rowCount, by: chunkRows) {
      let range = start..<min(start + chunkRows, stored.rowCount)
      let bytes = UnsafeRawBufferPointer(rebasing: stored.data[stored.byteRange(ofRows: range)])
      try check(FiniteValues.firstOther(bytes, stored.elementType), in: range) {
        stored.widened(row: range.lowerBound + $0 / stored.rowWidth)[$0 % stored.rowWidth]
      }
      try file.write(bytes)
      stored.releasePages(ofRows: range)
    }
    guard let scales = stored.scales else { return }
    try file.align()
    try file.write(UnsafeRawBufferPointer(scales))
  }

  /// - Parameter integers: rows that are in int8 already, where the tensor is written in it.
  private func convert(
    _ reader: RowReader, integers: (Int) -> IntegerRow? = { _ in nil }
  ) throws(CheckpointError) {
    let width = tensor.rowWidth
    let chunkRows = max(1, chunkElements / width)
    let capacity = min(chunkRows, tensor.shape[0]) * width
    let floats = UnsafeMutablePointer<Float>.allocate(capacity: capacity)
    defer { floats.deallocate() }
    let bytes = UnsafeMutableRawPointer.allocate(
      byteCount: capacity * tensor.elementType.byteCount, alignment: ContainerLayout.alignment)
    defer { bytes.deallocate() }
    var encoder = RowEncoder(elementType: tensor.elementType, width: width)
    for start in stride(from: 0, to: tensor.shape[0], by: chunkRows) {
      let range = start..<min(start + chunkRows, tensor.shape[0])
      try reader(range, floats)
      try check(FiniteValues.firstOther(floats, count: range.count * width), in: range) {
        floats[$0]
      }
      let row = encoder.encode(floats, rows: range.count, into: bytes) { local in
        integers(range.lowerBound + local)
      }
      if let row {
        throw .unusableWeight(
          path: file.file.path, tensor: tensor.name,
          found: "a value in row \(row) that is not finite",
          expected: "finite values, which int8 needs (f32 and bf16 hold any)")
      }
      if tensor.elementType == .bf16 {
        let stored = UnsafeRawBufferPointer(start: bytes, count: 2 * range.count * width)
        try check(FiniteValues.firstOther(stored, .bf16), in: range) { floats[$0] }
      }
      rounding?.add(
        tensor.name, floats, stored: bytes, tensor.elementType, width: width, rows: range.count,
        scales: encoder.scales.suffix(range.count))
      let length = range.count * width * tensor.elementType.byteCount
      try file.write(UnsafeRawBufferPointer(start: bytes, count: length))
    }
    guard tensor.elementType == .int8 else { return }
    try file.align()
    try encoder.scales.withUnsafeBufferPointer { (buffer) throws(CheckpointError) in
      try file.write(UnsafeRawBufferPointer(buffer))
    }
  }

  /// Refuses a chunk with a value that is not finite, or that the element type can only store as
  /// infinity.
  ///
  /// - Parameters:
  ///   - index: of the first such value in the chunk; nil if there is none.
  ///   - value: the value at an index.
  private func check(
    _ index: Int?, in rows: Range<Int>, value: (Int) -> Float
  ) throws(CheckpointError) {
    guard let index, let finiteSource else { return }
    let found = FiniteValues.described(value(index), at: index, from: rows.lowerBound, tensor.shape)
    throw .unusableWeight(
      path: finiteSource, tensor: tensor.name, found: found,
      expected: "finite weights in \(tensor.elementType.rawValue); take another copy of the model, "
        + "or one from before its training went wrong")
  }
}
