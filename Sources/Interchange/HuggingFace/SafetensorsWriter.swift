import Checkpoints
import Storage
import Tensors

/// Writes a `.safetensors` file: the length of a JSON header, the header, then the tensors' bytes
/// without gaps. One chunk of one tensor is in memory at a time.
struct SafetensorsWriter {
  /// A tensor to be written.
  struct Tensor {
    let name: String
    let shape: [Int]
    let elementType: ForeignElementType
    /// Writes rows as f32, row-major.
    let read: (_ rows: Range<Int>, _ target: UnsafeMutablePointer<Float>) -> Void

    var byteCount: Int { shape.reduce(elementType.elementBytes ?? 4, *) }
  }

  private static let chunkElements = 1 << 18

  /// Writes the file.
  /// - Throws: `CheckpointError`; `.unusableWeight` for a weight that is too large for its type.
  static func write(_ tensors: [Tensor], to path: String) throws(CheckpointError) {
    let file = try wrapping { () throws(StorageError) in
      let file = try AtomicFile(path: path)
      try file.write(header(tensors))
      return file
    }
    for tensor in tensors { try write(tensor, to: file, path) }
    try wrapping { () throws(StorageError) in try file.commit() }
  }

  /// The length in 8 bytes, and the header, padded with spaces so that the data is aligned.
  private static func header(_ tensors: [Tensor]) -> [UInt8] {
    var object = JSONObject([("__metadata__", ["format": "pt"])])
    var offset = 0
    for tensor in tensors {
      let end = offset + tensor.byteCount
      object[tensor.name] = [
        "dtype": .string(tensor.elementType.rawValue.uppercased()),
        "shape": .array(tensor.shape.map { .int($0) }),
        "data_offsets": .array([.int(offset), .int(end)]),
      ]
      offset = end
    }
    var text = Array(JSONValue.object(object).encoded().utf8)
    text += [UInt8](repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
  }

  private static func write(
    _ tensor: Tensor, to file: AtomicFile, _ path: String
  ) throws(CheckpointError) {
    let width = tensor.shape.dropFirst().reduce(1, *)
    let chunk = max(1, chunkElements / max(1, width))
    let capacity = min(chunk, tensor.shape[0]) * width
    let floats = UnsafeMutablePointer<Float>.allocate(capacity: capacity)
    defer { floats.deallocate() }
    let halves = UnsafeMutablePointer<UInt16>.allocate(capacity: capacity)
    defer { halves.deallocate() }
    for start in stride(from: 0, to: tensor.shape[0], by: chunk) {
      let rows = start..<min(start + chunk, tensor.shape[0])
      tensor.read(rows, floats)
      let count = rows.count * width
      try tensor.elementType.check(floats, count: count, tensor: tensor.name, path: path)
      let bytes: UnsafeRawBufferPointer
      switch tensor.elementType {
      case .f16:
        for i in 0..<count { halves[i] = halfBits(floats[i]) }
        bytes = UnsafeRawBufferPointer(start: halves, count: 2 * count)
      case .bf16:
        for i in 0..<count { halves[i] = bfloat16Bits(floats[i]) }
        bytes = UnsafeRawBufferPointer(start: halves, count: 2 * count)
      case .f32, .q8, .q4: bytes = UnsafeRawBufferPointer(start: floats, count: 4 * count)
      }
      try wrapping { () throws(StorageError) in try file.write(bytes) }
    }
  }
}
