import Programs

/// What quantising rows would cost: fewer rows than parts and more, rows of zeros, wide rows.
func quantisationCostCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 32)
  let shapes = testWidths.map { (rows: 3, width: $0) } + [(130, 33), (64, 16), (2, 2100)]
  return shapes.flatMap { rows, width -> [KernelCase] in
    let x = numbers.floats((rows - 1) * width, limit: 8) + Array(repeating: 0, count: width)
    let sums = TestBuffer.doubles((0..<64).map { _ in Double(numbers.float()) })
    return [
      KernelCase(
        .quantisationError(rows: rows, width: width), label: "\(rows) rows of \(width)",
        buffers: [.floats(x), .floats(numbers.floats(rows * width)), sums], items: 64,
        tolerance: 1e-5),
      KernelCase(
        .columnMagnitudes(rows: rows, width: width), label: "\(rows) rows of \(width)",
        buffers: [.floats(x), .floats(numbers.floats(width).map(abs))], items: width,
        tolerance: 0),
    ]
  }
}
