/// What the matmuls of a program multiply: a precision for all of them, and the matrices that are
/// exceptions to it.
public struct ProductPrecision: Hashable, Sendable, CustomStringConvertible {
  public var base: Precision
  /// Where the base is int8: the checkpoint's names of matrices whose matmuls stay bf16, forward and
  /// backward, because the activations that they multiply lose too much as integers. A tied head is
  /// named by the embedding.
  public var keptInBF16: Set<String>

  /// - Parameter keptInBF16: names of matrices; they mean nothing unless the base is int8.
  public init(_ base: Precision, keptInBF16: Set<String> = []) {
    self.base = base
    self.keptInBF16 = base == .int8 ? keptInBF16 : []
  }

  public static let f32 = ProductPrecision(.f32)
  public static let bf16 = ProductPrecision(.bf16)
  public static let int8 = ProductPrecision(.int8)

  /// In a word: "int8", or "int8+bf16" where some matmuls stay bf16.
  public var description: String { base.rawValue + (keptInBF16.isEmpty ? "" : "+bf16") }
}
