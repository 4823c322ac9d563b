import Programs

/// Scores of gradients: the first micro-batch, which leaves its signs, and a later one.
func scoreCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 12)
  return (testWidths + [64 * 32 + 5, 64 * 96]).flatMap { width -> [KernelCase] in
    let g = TestBuffer.floats(numbers.floats(width))
    let signs = TestBuffer.int32(
      (0..<(width + 31) / 32).map { _ in Int32(truncatingIfNeeded: numbers.bits()) })
    let sums = TestBuffer.doubles((0..<192).map { _ in Double(numbers.float()) })
    return [Float(1), 0].map { record in
      KernelCase(
        .gradientScores(count: width), label: "width \(width), record \(record)",
        buffers: [g, signs, .floats([record]), sums], items: 64,
        tolerance: 1e-12)  // observed 0
    }
  }
}
