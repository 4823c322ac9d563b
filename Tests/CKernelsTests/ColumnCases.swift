import Programs

/// Columns by index: none, some and all of a row, in rising order and in any.
func columnCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 11)
  return testWidths.flatMap { width -> [KernelCase] in
    [(width, false), (width / 2, true), (width / 2, false)].flatMap { count, rising in
      var ids = (0..<width).map(Int32.init)
      for index in ids.indices.dropFirst() {
        ids.swapAt(index, numbers.integer(below: index + 1))
      }
      ids = Array(ids.prefix(count))
      if rising { ids.sort() }
      let (lds, ldy) = (count + 2, width + 3)
      let y = TestBuffer.floats(numbers.floats(5 * ldy))
      let label = "\(count) of \(width)\(rising ? " rising" : "")"
      return [
        KernelCase(
          .scatterColumns(count: count, sourceStride: lds, stride: ldy), label: label,
          buffers: [.int32(ids), .floats(numbers.floats(5 * lds)), y],
          items: 5, tolerance: 0),
        KernelCase(
          .takeColumns(count: count, stride: ldy, resultStride: lds), label: label,
          buffers: [.int32(ids), y, .unset(5 * lds)], items: 5, tolerance: 0),
      ]
    }
  }
}
