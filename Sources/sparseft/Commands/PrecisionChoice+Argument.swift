import ArgumentParser
import Compilation
import Generation
import Recipes

extension PrecisionChoice: ExpressibleByArgument {}

extension Precision {
  /// The line printed on standard error: "precision: bf16 products".
  var line: String { "precision: \(rawValue) products" }
}

extension GenerationPrecision {
  /// The line printed on standard error.
  var line: String {
    block == single
      ? block.line
      : "precision: \(block.rawValue) products for the prompt, \(single.rawValue) after it"
  }
}
