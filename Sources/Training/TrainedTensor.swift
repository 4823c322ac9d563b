import Checkpoints

/// A trained parameter's weights in the arena: its elements, those of an int8 matrix times the
/// scales of their rows.
package struct TrainedTensor {
  let elements: StateBuffer
  /// One for each row of an int8 matrix, else nil.
  let scales: UnsafeMutableBufferPointer<Float>?

  package var name: String { elements.name }
  package var count: Int { elements.count }

  /// Elements of a row of an int8 matrix.
  private var width: Int { count / max(1, scales?.count ?? 1) }

  /// All weights as f32.
  package var values: [Float] {
    [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      if let start = buffer.baseAddress { read(0..<count, into: start) }
      initialized = count
    }
  }

  /// Copies a range of weights as f32.
  func read(_ range: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    elements.read(range, into: target)
    guard let scales else { return }
    for index in range { target[index - range.lowerBound] *= scales[index / width] }
  }

  /// A row of an int8 matrix as it is; nil for other parameters.
  func integerRow(_ row: Int) -> IntegerRow? {
    guard let scales, case .int8(let memory) = elements.elements, let start = memory.baseAddress
    else { return nil }
    return IntegerRow(values: UnsafePointer(start + row * width), scale: scales[row])
  }
}
