import ArgumentParser
import Compilation
import Generation
import Recipes

extension PrecisionChoice: ExpressibleByArgument {}

extension ProductPrecision {
  /// The line printed on standard error: "precision: bf16 products".
  var line: String { "precision: \(description) products" }
}

extension GenerationPrecision {
  /// The line printed on standard error.
  var line: String {
    block == single
      ? block.line
      : "precision: \(block.description) products for the prompt, \(single.description) after it"
  }
}
