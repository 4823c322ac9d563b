import Programs

/// A trained int8 matrix's contents before the first step: the rows that the checkpoint stores in
/// int8, to the bit, or others rounded to the nearest multiple of a scale that leaves room to grow.
struct IntegerContents {
  private let contents: InitialContents
  private let seed: UInt64
  private let weights: any WeightSource

  /// A row's scale is this times its largest magnitude / 127.
  private static let headroom: Float = 1.25
  /// The least scale that a step can be divided by. Rows with less are zeros.
  private static let leastScale: Float = 1e-30
  /// The scale of rows of zeros. It is so small that the first step fills their integers, and with
  /// that sets a scale that fits what they become: under one of another row they would only be
  /// noise.
  private static let scaleOfZeros: Float = 1e-6

  /// - Parameter weights: where rows of a checkpoint's tensors come from.
  init(_ contents: InitialContents, seed: UInt64, weights: any WeightSource) {
    self.contents = contents
    self.seed = seed
    self.weights = weights
  }

  /// Writes the rows, and a scale for each.
  func write(
    to values: UnsafeMutableBufferPointer<Int8>, scales: UnsafeMutableBufferPointer<Float>
  ) {
    guard !scales.isEmpty, let start = values.baseAddress else { return }
    let width = values.count / scales.count
    writeRows(to: start, scales, width: width)
    for row in scales.indices where scales[row] < Self.leastScale {
      (start + row * width).update(repeating: 0, count: width)
      scales[row] = Self.scaleOfZeros
    }
  }

  private func writeRows(
    to values: UnsafeMutablePointer<Int8>, _ scales: UnsafeMutableBufferPointer<Float>, width: Int
  ) {
    guard case .checkpoint(let name, let rows) = contents else {
      // Other contents are small.
      withUnsafeTemporaryAllocation(of: Float.self, capacity: max(1, scales.count * width)) {
        wide in
        wide.initialize(repeating: 0)
        FloatContents(contents, seed: seed, weights: weights).write(to: wide)
        for row in scales.indices {
          let part = UnsafeMutableBufferPointer(rebasing: wide[row * width..<(row + 1) * width])
          scales[row] = Self.quantise(part, into: values + row * width)
        }
      }
      return
    }
    if let stored = weights.storedIntegers(of: name, rows) {
      values.update(from: stored.values, count: scales.count * width)
      scales.baseAddress?.update(from: stored.scales, count: scales.count)
      return
    }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: max(1, width)) { row in
      guard let start = row.baseAddress else { return }
      for (place, index) in rows.enumerated() {
        weights.readRows(of: name, index..<index + 1, into: start)
        let part = UnsafeMutableBufferPointer(start: start, count: width)
        scales[place] = Self.quantise(part, into: values + place * width)
      }
    }
  }

  /// Writes a row's integers.
  ///
  /// - Returns: its scale: 0 for zeros, NaN if a value is not finite.
  private static func quantise(
    _ row: UnsafeMutableBufferPointer<Float>, into values: UnsafeMutablePointer<Int8>
  ) -> Float {
    let scale = headroom * row.reduce(0) { max($0, $1.magnitude) } / 127
    let isFinite = row.allSatisfy(\.isFinite)
    guard isFinite, scale >= leastScale else {
      values.update(repeating: 0, count: row.count)
      return isFinite ? 0 : .nan
    }
    for (column, value) in row.enumerated() {
      values[column] = Int8((value / scale).rounded(.toNearestOrEven))
    }
    return scale
  }
}
