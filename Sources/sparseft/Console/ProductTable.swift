import Execution
import Programs
import Reports
import Tensors

/// Table of the variant of each matmul, with the time of every variant that was measured.
struct ProductTable {
  let decisions: [ProductDecision]

  private static let variants = ProductBackend.allCases.flatMap { backend in
    ProductSplit.allCases.map { ProductVariant(backend, $0) }
  }

  var text: String {
    var table = Table(
      [.init("product"), .init("m", .right), .init("n", .right), .init("k", .right)]
        + Self.variants.map { .init("\($0), ms", .right) } + [.init("chosen")])
    for decision in decisions {
      let product = decision.product
      let seconds = Dictionary(
        decision.measured.map { ($0.variant, $0.seconds) }, uniquingKeysWith: { first, _ in first })
      table.add(
        [product.kernel, "\(product.m)", "\(product.n)", "\(product.k)"]
          + Self.variants.map { variant in
            seconds[variant].map { formatted($0 * 1e3, decimals: 2) } ?? ""
          }
          + [decision.variant.description])
    }
    return table.text
  }
}
