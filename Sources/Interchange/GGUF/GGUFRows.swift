import Checkpoints
import Storage

/// Reads rows of a tensor of a GGUF file as `f32`, and lets go of the file's pages behind it.
struct GGUFRows: Sendable {
  let file: MappedFile
  let tensor: GGUFTensor
  /// The tensor's row that the first one asked for is: above 0 where a matrix is a part of one.
  var firstRow = 0
  /// Head width of a tensor whose rotary rows are interleaved; nil where rows keep their order.
  var interleavedHeadWidth: Int?

  /// Writes rows `range`; a vector's rows are its elements, read all at once.
  func read(_ range: Range<Int>, into target: UnsafeMutablePointer<Float>) {
    guard let start = file.bytes.baseAddress, !range.isEmpty else { return }
    let blocks = tensor.rowWidth / tensor.type.blockElements
    let data = start + tensor.range.lowerBound
    guard let headWidth = interleavedHeadWidth else {
      let first = firstRow + range.lowerBound
      tensor.type.widen(range.count * blocks, data + first * tensor.rowBytes, target)
      return release(first..<(first + range.count))
    }
    var used = Int.max..<Int.max
    for row in range {
      let source =
        firstRow + RotaryLayout.interleavedRow(ofHalves: row, headWidth: headWidth)
      tensor.type.widen(
        blocks, data + source * tensor.rowBytes,
        target + (row - range.lowerBound) * tensor.rowWidth)
      let lowest = min(used.lowerBound, source)
      used = lowest..<max(used.upperBound == .max ? 0 : used.upperBound, source + 1)
    }
    release(used)
  }

  private func release(_ rows: Range<Int>) {
    let start = tensor.range.lowerBound
    file.releasePages(
      (start + rows.lowerBound * tensor.rowBytes)..<(start + rows.upperBound * tensor.rowBytes))
  }

  /// All elements of a vector.
  func vector() -> [Float] {
    let count = tensor.rowWidth
    let values = [Float](unsafeUninitializedCapacity: count) { buffer, initialised in
      guard let start = file.bytes.baseAddress, let target = buffer.baseAddress else { return }
      tensor.type.widen(
        count / tensor.type.blockElements, start + tensor.range.lowerBound, target)
      initialised = count
    }
    guard let headWidth = interleavedHeadWidth else { return values }
    return values.indices.map {
      values[RotaryLayout.interleavedRow(ofHalves: $0, headWidth: headWidth)]
    }
  }
}
