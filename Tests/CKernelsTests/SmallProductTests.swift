import CKernels
import Tensors
import Testing

/// The f32 product of each instruction set that needs no library, against the plain loops.
@Suite struct SmallProductTests {
  private struct Sizes {
    var (m, n, k): (Int64, Int64, Int64)
  }

  @Test(arguments: allInstructionSets.filter(sft_isa_supported))
  func agreesWithThePlainLoops(isa: sft_isa) {
    let sizes = [
      Sizes(m: 1, n: 1, k: 1), Sizes(m: 4, n: 16, k: 16), Sizes(m: 5, n: 17, k: 33),
      Sizes(m: 0, n: 8, k: 8), Sizes(m: 3, n: 9, k: 0), Sizes(m: 32, n: 70, k: 64),
    ]
    for size in sizes {
      for (transposesLeft, transposesRight) in [
        (false, false), (false, true), (true, false), (true, true),
      ] {
        for beta: Float in [0, 1, -0.5] {
          expectTheSame(isa, size, transposesLeft, transposesRight, beta)
        }
      }
    }
  }

  private func expectTheSame(
    _ isa: sft_isa, _ size: Sizes, _ transposesLeft: Bool, _ transposesRight: Bool, _ beta: Float
  ) {
    let gap: Int64 = 3
    let (aRows, aWidth) = transposesLeft ? (size.k, size.m) : (size.m, size.k)
    let (bRows, bWidth) = transposesRight ? (size.n, size.k) : (size.k, size.n)
    var random = RandomSource(seed: 5)
    func matrix(_ rows: Int64, _ width: Int64) -> [Float] {
      (0..<(rows * (width + gap) + 1)).map { _ in Float(random.normal()) }
    }
    let (a, b) = (matrix(aRows, aWidth), matrix(bRows, bWidth))
    var expected = matrix(size.m, size.n)
    // Without beta, what was there is not read.
    if beta == 0 { expected = expected.map { _ in .nan } }
    var found = expected
    sft_sgemm_reference(
      transposesLeft, transposesRight, size.m, size.n, size.k, 0.5, a, aWidth + gap, b,
      bWidth + gap, beta, &expected, size.n + gap)
    sft_sgemm_of(isa)(
      transposesLeft, transposesRight, size.m, size.n, size.k, 0.5, a, aWidth + gap, b,
      bWidth + gap, beta, &found, size.n + gap)
    for (index, (x, y)) in zip(expected, found).enumerated() {
      // Observed: 5e-6 in sums of up to 15.
      #expect(x.isNaN ? y.isNaN : abs(x - y) <= 1e-5, "\(size) \(index): \(x) \(y)")
    }
  }
}
