import COpenBLAS
import Tensors

/// Singular values and right singular vectors of a matrix in double precision, by LAPACK.
struct RightSingularVectors {
  /// Largest first, [min(rows, columns)].
  let values: [Double]
  /// A row for each value, [values, columns].
  let vectors: [Double]
  let columns: Int

  /// - Parameter matrix: row by row, [rows, columns]; both sizes positive.
  /// - Throws: `AuditError.decomposition`.
  init(of matrix: [Double], rows: Int, columns: Int) throws(AuditError) {
    precondition(matrix.count == rows * columns && rows > 0 && columns > 0)
    var copy = matrix
    let count = min(rows, columns)
    var values = [Double](repeating: 0, count: count)
    var vectors = [Double](repeating: 0, count: count * columns)
    var problem: UnsafePointer<CChar>?
    let outcome = sft_openblas_right_singular_vectors(
      Int64(rows), Int64(columns), &copy, &values, &vectors, &problem)
    switch outcome {
    case SFT_DECOMPOSED: break
    case SFT_NO_LAPACK:
      let reason = problem.map { String(cString: $0) } ?? "LAPACK is missing"
      throw .decomposition(reason: reason, category: .missingInput)
    case SFT_NO_ROOM:
      throw .decomposition(
        reason: "a matrix of \(rows) x \(columns) needs more memory than there is",
        category: .inputOutput)
    default:
      throw .decomposition(
        reason: "a matrix of \(rows) x \(columns) has no decomposition; are its values finite?",
        category: .badData)
    }
    self.values = values
    self.vectors = vectors
    self.columns = columns
  }
}

/// a · bᵀ for row-major a [m, k] and b [n, k], [m, n].
func productWithTransposed(
  _ a: [Double], _ b: [Double], m: Int, n: Int, k: Int
) throws(AuditError) -> [Double] {
  precondition(a.count == m * k && b.count == n * k)
  guard m > 0, n > 0, k > 0 else { return [Double](repeating: 0, count: m * n) }
  var result = [Double](repeating: 0, count: m * n)
  guard sft_openblas_dgemm_nt(Int64(m), Int64(n), Int64(k), a, b, &result) else {
    throw .decomposition(reason: "OpenBLAS has no dgemm", category: .missingInput)
  }
  return result
}
