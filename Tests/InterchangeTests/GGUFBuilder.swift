import Models
import Tensors
import TestSupport

/// Writes GGUF files, sound ones and others.
struct GGUFBuilder {
  /// A value of the metadata.
  struct Value {
    var type: UInt32
    var bytes: [UInt8]

    static func integer(_ value: UInt32) -> Value { Value(type: 4, bytes: littleEndian(value)) }
    static func single(_ value: Float) -> Value { Value(type: 6, bytes: bytesOf(value)) }
    static func flag(_ value: Bool) -> Value { Value(type: 7, bytes: [value ? 1 : 0]) }
    static func text(_ value: String) -> Value { Value(type: 8, bytes: lengthAndBytes(value)) }

    static func list(_ type: UInt32, count: UInt64, _ elements: [UInt8]) -> Value {
      Value(type: 9, bytes: littleEndian(type) + littleEndian(count) + elements)
    }
    static func texts(_ values: [String]) -> Value {
      .list(8, count: UInt64(values.count), values.flatMap(lengthAndBytes))
    }
    static func singles(_ values: [Float]) -> Value {
      .list(6, count: UInt64(values.count), values.flatMap(bytesOf))
    }
    static func integers(_ values: [Int32]) -> Value {
      .list(5, count: UInt64(values.count), values.flatMap { littleEndian($0) })
    }

    private static func bytesOf(_ value: Float) -> [UInt8] { littleEndian(value.bitPattern) }
    private static func lengthAndBytes(_ text: String) -> [UInt8] {
      littleEndian(UInt64(text.utf8.count)) + Array(text.utf8)
    }
  }

  /// A tensor; the extents are listed innermost first, as in files.
  struct Tensor {
    var name: String
    var extents: [UInt64]
    var type: UInt32 = 0
    var bytes: [UInt8]
    /// Nil for the next free place.
    var offset: UInt64?
  }

  var magic = Array("GGUF".utf8)
  var version: [UInt8] = littleEndian(UInt32(3))
  var values: [(key: String, value: Value)] = []
  var tensors: [Tensor] = []
  var alignment = 32
  var tensorCount: UInt64?
  var valueCount: UInt64?

  /// Sets a value in its place, or adds it.
  subscript(key: String) -> Value? {
    get { values.first { $0.key == key }?.value }
    set {
      let place = values.firstIndex { $0.key == key }
      switch (place, newValue) {
      case (let place?, let value?): values[place].value = value
      case (let place?, nil): values.remove(at: place)
      case (nil, let value?): values.append((key, value))
      case (nil, nil): break
      }
    }
  }

  var bytes: [UInt8] {
    var file = magic + version
    file += littleEndian(tensorCount ?? UInt64(tensors.count))
    file += littleEndian(valueCount ?? UInt64(values.count))
    for (key, value) in values { file += name(key) + littleEndian(value.type) + value.bytes }
    var data: [UInt8] = []
    for tensor in tensors {
      file += name(tensor.name) + littleEndian(UInt32(tensor.extents.count))
      file += tensor.extents.flatMap { littleEndian($0) } + littleEndian(tensor.type)
      file += littleEndian(tensor.offset ?? UInt64(data.count))
      data += tensor.bytes
      data += [UInt8](repeating: 0, count: (alignment - data.count % alignment) % alignment)
    }
    guard !tensors.isEmpty else { return file }
    return file + [UInt8](repeating: 0, count: (alignment - file.count % alignment) % alignment)
      + data
  }

  private func name(_ text: String) -> [UInt8] {
    littleEndian(UInt64(text.utf8.count)) + Array(text.utf8)
  }
}

extension GGUFBuilder {
  /// A file of a model with weights in F32, as llama.cpp writes it.
  /// - Parameter interleaved: whether query and key rows are in pairs (2i, 2i + 1), as the
  ///   architecture `llama` has them.
  static func model(
    _ c: ModelConfiguration, architecture: String = "llama", weights: [String: [Float]],
    interleaved: Bool = true
  ) -> GGUFBuilder {
    var file = GGUFBuilder()
    file["general.architecture"] = .text(architecture)
    let numbers = [
      ("context_length", c.contextLength), ("embedding_length", c.width),
      ("block_count", c.layers), ("feed_forward_length", c.hiddenWidth),
      ("attention.head_count", c.queryHeads), ("attention.head_count_kv", c.keyValueHeads),
      ("attention.key_length", c.headWidth), ("attention.value_length", c.headWidth),
      ("rope.dimension_count", c.headWidth),
    ]
    for (key, value) in numbers { file["\(architecture).\(key)"] = .integer(UInt32(value)) }
    file["\(architecture).attention.layer_norm_rms_epsilon"] = .single(Float(c.normEpsilon))
    file["\(architecture).rope.freq_base"] = .single(Float(c.rotaryBase))
    if let window = c.slidingWindow {
      file["\(architecture).attention.sliding_window"] = .integer(UInt32(window))
    }
    for (name, parameters) in c.schema.tensors(in: .gguf) {
      let values = parameters.flatMap { parameter in
        let values = weights[parameter.name] ?? []
        let isMoved = interleaved && parameter.hasRotaryRows
        return isMoved ? interleavedRows(values, rows: parameter.shape[0], c.headWidth) : values
      }
      let shape = parameters[0].shape.extents
      let rows = parameters.reduce(0) { $0 + $1.shape[0] }
      file.tensors.append(
        Tensor(
          name: name, extents: ([rows] + shape.dropFirst()).reversed().map { UInt64($0) },
          bytes: bytesOf(values)))
    }
    return file
  }

  private static func bytesOf(_ values: [Float]) -> [UInt8] {
    values.flatMap { littleEndian($0.bitPattern) }
  }

  /// Rows of heads from halves to pairs.
  private static func interleavedRows(_ values: [Float], rows: Int, _ headWidth: Int) -> [Float] {
    let (width, half) = (values.count / rows, headWidth / 2)
    var result = values
    for row in 0..<rows {
      let (head, place) = row.quotientAndRemainder(dividingBy: headWidth)
      let target = head * headWidth + (place < half ? 2 * place : 2 * (place - half) + 1)
      for i in 0..<width { result[target * width + i] = values[row * width + i] }
    }
    return result
  }
}
