import Tensors

/// One tensor that persists from step to step: a trained parameter or optimizer state.
///
/// It is read and written as f32, which represents every bf16 value, byte and integer exactly.
/// Integers of a matrix are read without its row scales, which are a tensor of their own.
package struct StateBuffer {
  /// The elements by the type in which they are stored.
  enum Elements {
    case f32(UnsafeMutableBufferPointer<Float>)
    case bf16(UnsafeMutableBufferPointer<UInt16>)
    case bytes(UnsafeMutableBufferPointer<UInt8>)
    case int8(UnsafeMutableBufferPointer<Int8>)
  }

  package let name: String
  let elements: Elements

  /// The address of the elements.
  package var address: UnsafeRawPointer? {
    switch elements {
    case .f32(let memory): UnsafeRawPointer(memory.baseAddress)
    case .bf16(let memory): UnsafeRawPointer(memory.baseAddress)
    case .bytes(let memory): UnsafeRawPointer(memory.baseAddress)
    case .int8(let memory): UnsafeRawPointer(memory.baseAddress)
    }
  }

  package var count: Int {
    switch elements {
    case .f32(let memory): memory.count
    case .bf16(let memory): memory.count
    case .bytes(let memory): memory.count
    case .int8(let memory): memory.count
    }
  }

  /// Whether it is an int8 matrix or moments in bytes, with scales in a tensor of their own.
  var hasScales: Bool {
    switch elements {
    case .f32, .bf16: false
    case .bytes, .int8: true
    }
  }

  /// The name of that tensor.
  var scalesName: String { name + ".scales" }

  /// All elements.
  package var values: [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      if let start = buffer.baseAddress { read(0..<count, into: start) }
      initialized = count
    }
  }

  /// Copies a range of elements.
  func read(_ range: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    switch elements {
    case .f32(let memory):
      guard let start = memory.baseAddress else { return }
      target.update(from: start + range.lowerBound, count: range.count)
    case .bf16(let memory):
      for index in range { target[index - range.lowerBound] = float(bfloat16Bits: memory[index]) }
    case .bytes(let memory):
      for index in range { target[index - range.lowerBound] = Float(memory[index]) }
    case .int8(let memory):
      for index in range { target[index - range.lowerBound] = Float(memory[index]) }
    }
  }

  /// Sets all elements from an array.
  package func write(_ values: [Float]) {
    precondition(values.count == count, name)
    write { range, target in
      values.withUnsafeBufferPointer {
        _ = UnsafeMutableBufferPointer(start: target, count: range.count).update(
          fromContentsOf: $0[range])
      }
    }
  }

  /// Sets all elements from `source`, which gets ranges of elements and where to write them.
  func write(from source: (Range<Int>, UnsafeMutablePointer<Float>) -> Void) {
    switch elements {
    case .f32(let memory):
      if let start = memory.baseAddress { source(0..<memory.count, start) }
    case .bf16(let memory): write(from: source) { memory[$0] = bfloat16Bits($1) }
    case .bytes(let memory): write(from: source) { memory[$0] = UInt8(max(0, min(255, $1))) }
    case .int8(let memory): write(from: source) { memory[$0] = Int8(max(-127, min(127, $1))) }
    }
  }

  /// Sets the elements through a buffer of limited size, converting each.
  private func write(
    from source: (Range<Int>, UnsafeMutablePointer<Float>) -> Void,
    storing store: (Int, Float) -> Void
  ) {
    let block = 65536
    withUnsafeTemporaryAllocation(of: Float.self, capacity: block) { floats in
      guard let start = floats.baseAddress else { return }
      for first in stride(from: 0, to: count, by: block) {
        let range = first..<min(first + block, count)
        source(range, start)
        for index in range { store(index, floats[index - first]) }
      }
    }
  }
}
