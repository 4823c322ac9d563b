import Execution
import Programs
import Storage

extension ProductDecision {
  init?(_ json: JSONValue) {
    guard let kernel = json["kernel"]?.string, let m = json["m"]?.int, let n = json["n"]?.int,
      let k = json["k"]?.int, let product = Product(kernel: kernel, m: m, n: n, k: k),
      let variant = json["chosen"]?.string.flatMap(ProductVariant.init)
    else { return nil }
    let seconds = json["seconds"]?.object?.members ?? []
    self.init(
      product: product, variant: variant,
      measured: seconds.compactMap { member in
        guard let variant = ProductVariant(member.key), let value = member.value.double else {
          return nil
        }
        return Measurement(variant: variant, seconds: value)
      })
  }

  /// As `products.json`, `plan --json` and a run's state have it.
  var json: JSONValue {
    let seconds = measured.map { ($0.variant.description, JSONValue.number($0.seconds)) }
    return [
      "kernel": .string(product.kernel), "m": .int(product.m), "n": .int(product.n),
      "k": .int(product.k), "chosen": .string(variant.description),
      "seconds": .object(JSONObject(seconds)),
    ]
  }
}
