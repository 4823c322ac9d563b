import Execution
import Graphs
import Operations
import Tensors
import Testing

/// Gradients of every operation on every instruction set against central differences of the plain
/// loops in Double: ⟨pullback(u), v⟩ = ⟨u, J·v⟩ for random u and v.
@Suite struct GradientTests {
  /// Of the result's elements, against the largest. Observed: at most 2.3e-7.
  static let forwardTolerance = 2e-6
  /// Of the directional derivative, against the gradient's norm. Observed: at most 6.7e-7.
  static let gradientTolerance = 2e-6
  /// Gradients that should vanish (a softmax over one key) are off by rounding of what cancels.
  static let smallestNorm = 0.3

  @Test(arguments: GradientCase.all, Kernels.supported)
  func gradientsEqualCentralDifferences(_ test: GradientCase, _ instructionSet: String) throws {
    var random = RandomSource(seed: 7)
    let values = test.operands.map(\.values)
    let expected = test.forward(values)
    let cotangent = test.hasScalarCotangent ? [0.25] : random.normals(expected.count)
    let weights =
      test.hasScalarCotangent
      ? expected.map { _ in 0.25 } : cotangent.map(Double.init)
    let runner = try GradientRunner(test, instructionSet: instructionSet)
    let result = try runner.run(wanted: Set(test.differentiable), cotangent: cotangent)

    try #require(result.output.count == expected.count)
    let largest = expected.map(\.magnitude).max() ?? 0
    let error = zip(result.output, expected).map { abs(Double($0) - $1) }.max() ?? 0
    #expect(error <= Self.forwardTolerance * max(largest, 1e-3))

    for operand in test.differentiable {
      let gradient = try #require(result.gradients[operand]).map(Double.init)
      try #require(gradient.count == values[operand].count)
      let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
      for _ in 0..<3 {
        let direction = random.normals(gradient.count).map(Double.init)
        let slope = Self.slope(of: test, at: values, operand, along: direction, weights)
        let found = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
        #expect(
          abs(found - slope) <= Self.gradientTolerance * max(norm, Self.smallestNorm),
          "operand \(operand): \(found), expected \(slope), gradient norm \(norm)")
      }
    }
  }

  /// ⟨u, J·v⟩ by central differences. At 1e-4 they are off by some 1e-9 of the slope.
  private static func slope(
    of test: GradientCase, at values: [[Double]], _ operand: Int, along direction: [Double],
    _ weights: [Double]
  ) -> Double {
    func weighted(_ step: Double) -> Double {
      var moved = values
      for index in direction.indices { moved[operand][index] += step * direction[index] }
      return zip(test.forward(moved), weights).reduce(0) { $0 + $1.0 * $1.1 }
    }
    let step = 1e-4
    return (8 * (weighted(step) - weighted(-step)) - weighted(2 * step) + weighted(-2 * step))
      / (12 * step)
  }

  /// Asking for less never changes what is asked for. Bit for bit: the same kernels add in the same
  /// order.
  @Test(arguments: GradientCase.all, Kernels.supported)
  func anySubsetEqualsTheFullPullback(_ test: GradientCase, _ instructionSet: String) throws {
    var random = RandomSource(seed: 11)
    let runner = try GradientRunner(test, instructionSet: instructionSet)
    let count = test.forward(test.operands.map(\.values)).count
    let cotangent = test.hasScalarCotangent ? [0.25] : random.normals(count)
    let all = test.differentiable
    let full = try runner.run(wanted: Set(all), cotangent: cotangent)
    for mask in 1..<(1 << all.count) {
      let wanted = Set(all.indices.filter { mask >> $0 & 1 == 1 }.map { all[$0] })
      let result = try runner.run(wanted: wanted, cotangent: cotangent)
      #expect(Set(result.gradients.keys) == wanted)
      // What is not kept for a gradient may be overwritten, but not before it is read.
      let isSameOutput = result.output == full.output
      #expect(isSameOutput, "when \(wanted.sorted()) are wanted")
      for operand in wanted {
        let isSame = result.gradients[operand] == full.gradients[operand]
        #expect(isSame, "operand \(operand) when \(wanted.sorted()) are wanted")
      }
    }
  }

  /// The slices of a call depend on the number of threads only, so its bits repeat; another number
  /// slices products elsewhere and rounds otherwise.
  @Test(arguments: GradientCase.all, Kernels.supported)
  func threadsRepeatBitForBit(_ test: GradientCase, _ instructionSet: String) throws {
    var random = RandomSource(seed: 13)
    let count = test.forward(test.operands.map(\.values)).count
    let cotangent = test.hasScalarCotangent ? [0.25] : random.normals(count)
    let wanted = Set(test.differentiable)
    let results = try [1, 3, 3].map { threads in
      try GradientRunner(test, instructionSet: instructionSet, threads: threads)
        .run(wanted: wanted, cotangent: cotangent)
    }
    let areSame =
      results[1].output == results[2].output && results[1].gradients == results[2].gradients
    #expect(areSame)
    for operand in wanted {
      let one = try #require(results[0].gradients[operand])
      let three = try #require(results[1].gradients[operand])
      let error = zip(one, three).map { abs(Double($0 - $1)) }.max() ?? 0
      let largest = one.map { Double($0.magnitude) }.max() ?? 0
      #expect(error <= Self.gradientTolerance * max(largest, Self.smallestNorm))
    }
  }
}
