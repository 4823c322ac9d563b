import Compilation

extension ProductPrecision {
  /// The precisions without exceptions.
  package static let plain: [ProductPrecision] = [.f32, .bf16, .int8]
}
