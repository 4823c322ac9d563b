import Programs
import Tensors

/// A float buffer's contents before the first step, written as f32 or rounded to bf16.
struct FloatContents {
  private let contents: InitialContents
  private let seed: UInt64
  private let weights: any WeightSource

  /// - Parameter weights: where rows of a checkpoint's tensors come from.
  init(_ contents: InitialContents, seed: UInt64, weights: any WeightSource) {
    self.contents = contents
    self.seed = seed
    self.weights = weights
  }

  func write(to memory: UnsafeMutableBufferPointer<Float>) {
    switch contents {
    case .values(let values): _ = memory.update(from: values)
    case .checkpoint(let name, let rows):
      if let start = memory.baseAddress { weights.readRows(of: name, rows, into: start) }
    case .checkpointRows(let name, let ids):
      let width = memory.count / max(1, ids.count)
      for (place, id) in ids.enumerated() {
        guard let start = memory.baseAddress else { break }
        weights.readRows(of: name, Int(id)..<Int(id) + 1, into: start + place * width)
      }
    case .rowScales(let name, let rows, let width):
      writeRowScales(of: name, rows, width: width, to: memory)
    case .kaimingUniform(let fanIn, let stream):
      var random = RandomSource(seed: seed, stream: 0x4C6F_5241 &+ stream)
      let bound = 1 / Double(fanIn).squareRoot()
      for element in memory.indices {
        memory[element] = Float((2 * random.uniform() - 1) * bound)
      }
    case .undefined, .zeros, .integers, .checkpointScales, .delta, .deltaScales: break
    }
  }

  /// Writes bf16. A checkpoint's tensor is converted row by row; other contents are small.
  func write(to memory: UnsafeMutableBufferPointer<UInt16>) {
    guard case .checkpoint(let name, let rows) = contents, !rows.isEmpty else {
      withUnsafeTemporaryAllocation(of: Float.self, capacity: memory.count) { wide in
        write(to: wide)
        for (index, value) in wide.enumerated() { memory[index] = bfloat16Bits(value) }
      }
      return
    }
    let width = memory.count / rows.count
    withUnsafeTemporaryAllocation(of: Float.self, capacity: max(1, width)) { row in
      guard let start = row.baseAddress else { return }
      for (place, index) in rows.enumerated() {
        weights.readRows(of: name, index..<index + 1, into: start)
        for column in 0..<width { memory[place * width + column] = bfloat16Bits(row[column]) }
      }
    }
  }

  /// Writes the scales that make every row's largest magnitude 127.
  private func writeRowScales(
    of name: String, _ rows: Range<Int>, width: Int, to scales: UnsafeMutableBufferPointer<Float>
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: max(1, width)) { row in
      guard let start = row.baseAddress else { return }
      for (place, index) in rows.enumerated() {
        weights.readRows(of: name, index..<index + 1, into: start)
        scales[place] = row.reduce(0) { max($0, $1.magnitude) } / 127
      }
    }
  }
}
