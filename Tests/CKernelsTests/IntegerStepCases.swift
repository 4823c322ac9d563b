import Programs
import Tensors

/// Steps of int8 matrices: rows that fit, that are clipped, that need a new scale, and that have
/// diverged.
func integerStepCases() -> [KernelCase] {
  var numbers = TestNumbers(seed: 35)
  let hyper = TestBuffer.floats([0.01, 0.1, 0.05, 0.5, 0, 0, 3, 0])
  return (testWidths + [2100]).flatMap { width -> [KernelCase] in
    let rows = 6
    let q = TestBuffer.int8(
      (0..<rows * width).map { _ in Int8(numbers.integer(below: 255) - 127) })
    let scales = TestBuffer.floats((0..<rows).map { _ in 0.01 + numbers.float(0.009) })
    let gradient = numbers.floats(rows * width)
    // Beyond what integers move by in most rows: one element of row 2, all of row 3, none of row 4.
    var direction = gradient
    for column in 0..<width {
      if column == width / 2 { direction[2 * width + column] = 400 }
      direction[3 * width + column] *= 300
      direction[4 * width + column] = 0
      if column == width - 1 { direction[5 * width + column] = column % 2 == 0 ? .infinity : .nan }
    }
    let momentum = numbers.floats(rows * width)
    let steps = [0, 1, 2].flatMap { rounding in
      [(true, false, Float(0)), (true, true, 0.3), (false, true, 0)].map {
        divides, clips, weightDecay in
        KernelCase(
          .integerStep(
            number: 7, width: width, rounding: rounding, divides: divides, clips: clips,
            weightDecay: weightDecay),
          label: "width \(width), rounding \(rounding), \(divides), clips \(clips)",
          buffers: [q, scales, .floats(direction), hyper, nil], items: rows, tolerance: 0)
      }
    }
    // What a step leaves undone goes into its momentum; of a row that diverges nothing does.
    let carried = [0, 1].map { rounding in
      KernelCase(
        .integerStep(number: 7, width: width, rounding: rounding, momentum: 0.9),
        label: "width \(width), rounding \(rounding), carried errors",
        buffers: [q, scales, .floats(direction), hyper, .bfloat16(momentum)], items: rows,
        tolerance: 0)
    }
    return steps + carried + [
      KernelCase(
        .sgdDirection(number: 7, width: width, momentum: 0.9, weightDecay: 0.1),
        label: "width \(width)",
        buffers: [q, scales, .floats(gradient), .bfloat16(momentum), hyper], items: rows,
        tolerance: oneRounding)
    ]
  }
}
