import Tensors
import TestSupport
import Testing

@testable import Audits

@Suite struct SingularValuesTests {
  /// A diagonal matrix has its elements' magnitudes, and unit vectors.
  @Test func diagonal() throws {
    let matrix: [Double] = [3, 0, 0, 0, -5, 0, 0, 0, 1]
    let found = try RightSingularVectors(of: matrix, rows: 3, columns: 3)
    #expect(zip(found.values, [5, 3, 1]).allSatisfy { abs($0 - $1) < 1e-12 })
    let magnitudes = found.vectors.map { $0.magnitude }
    #expect(zip(magnitudes, [0, 1, 0, 1, 0, 0, 0, 0, 1]).allSatisfy { abs($0 - $1) < 1e-12 })
  }

  /// [[3, 0], [4, 5]] has √45 and √5, and the right vectors (1, 1)/√2 and (1, −1)/√2.
  @Test func byHand() throws {
    let found = try RightSingularVectors(of: [3, 0, 4, 5], rows: 2, columns: 2)
    #expect(abs(found.values[0] - 45.0.squareRoot()) < 1e-12)
    #expect(abs(found.values[1] - 5.0.squareRoot()) < 1e-12)
    let half = 0.5.squareRoot()
    #expect(found.vectors.allSatisfy { abs($0.magnitude - half) < 1e-12 })
    #expect(found.vectors[0] * found.vectors[1] > 0 && found.vectors[2] * found.vectors[3] < 0)
  }

  /// More rows than columns, and fewer: the vectors are orthonormal, and give the matrix back.
  @Test(arguments: [(7, 4), (4, 7), (1, 5), (5, 1)])
  func factorsOfRandomMatrices(rows: Int, columns: Int) throws {
    var random = RandomSource(seed: 5)
    let matrix = (0..<rows * columns).map { _ in random.normal() }
    let found = try RightSingularVectors(of: matrix, rows: rows, columns: columns)
    let count = min(rows, columns)
    #expect(found.values.count == count && found.vectors.count == count * columns)
    let products = try productWithTransposed(
      found.vectors, found.vectors, m: count, n: count, k: columns)
    for row in 0..<count {
      for column in 0..<count {
        #expect(abs(products[row * count + column] - (row == column ? 1 : 0)) < 1e-12)
      }
    }
    // ‖M·v‖ is v's singular value.
    let images = try productWithTransposed(
      found.vectors, matrix, m: count, n: rows, k: columns)
    for index in 0..<count {
      let norm = images[index * rows..<(index + 1) * rows].reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(abs(norm - found.values[index]) < 1e-12)
    }
  }

  @Test func notFinite() {
    let outcome = failure {
      _ = try RightSingularVectors(of: [1, .nan, 2, 3], rows: 2, columns: 2)
    }
    #expect(outcome?.category == .badData)
  }

  /// A rank of 3 in noise is found beside it; noise alone has none.
  @Test func rankBesideNoise() throws {
    var random = RandomSource(seed: 11)
    let (rows, columns, rank, noise) = (40, 20, 3, 1e-5)
    let left = (0..<rows * rank).map { _ in random.normal() }
    let right = (0..<columns * rank).map { _ in random.normal() }
    let exact = try productWithTransposed(left, right, m: rows, n: columns, k: rank)
    func numericRank(of matrix: [Double]) throws -> NumericRank {
      let found = try RightSingularVectors(of: matrix, rows: rows, columns: columns)
      return NumericRank(
        found.values, noise: Array(repeating: noise, count: rows), columns: columns)
    }
    let found = try numericRank(of: exact.map { $0 + noise * random.normal() })
    #expect(found.rank == 3 && found.bound == 20 && found.isClear && found.gap > 100)
    let full = try numericRank(of: (0..<rows * columns).map { _ in random.normal() })
    #expect(!full.isClear && full.rank == 20)
    let none = try numericRank(of: (0..<rows * columns).map { _ in noise * random.normal() })
    #expect(!none.isClear)
  }

  /// The gap lies where residuals leap, not where small ones differ by decades.
  @Test func gapOfResiduals() {
    let gap = ResidualGap([0.4, 1e-7, 0.5, 2e-3, 0.45, 1e-4, 0.6], most: 4)
    #expect(gap.below == [1, 5, 3] && gap.threshold == 2e-3 && abs(gap.ratio - 200) < 1e-9)
    let near = ResidualGap([0.9, 1e-7, 0.04, 1e-6, 0.05, 0.8], most: 5, isRatio: true)
    #expect(near.below == [1, 3])
    #expect(ResidualGap([0.4, 0.5, 0.6, 0.7], most: 3).below.isEmpty)
  }
}
