import Execution
import Programs
import Records

extension ProductDecision {
  /// Nil for a product or a variant that this version does not know.
  package init?(_ record: ProductRecord) {
    guard let variant = ProductVariant(record.chosen),
      let product = Product(kernel: record.kernel, m: record.m, n: record.n, k: record.k)
    else { return nil }
    self.init(
      product: product, variant: variant,
      measured: record.seconds.compactMap { timing in
        ProductVariant(timing.variant).map { Measurement(variant: $0, seconds: timing.seconds) }
      })
  }

  /// The record in `products.json`, in `plan --json` and in a run's state.
  package var record: ProductRecord {
    ProductRecord(
      kernel: product.kernel, m: product.m, n: product.n, k: product.k,
      chosen: variant.description,
      seconds: measured.map { .init(variant: $0.variant.description, seconds: $0.seconds) })
  }
}
