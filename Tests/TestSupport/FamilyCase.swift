import Models
import Testing

/// A tiny model of a family, for tests of what holds for all of them. A family has a line here, and
/// one more for each part of it that its configurations can switch.
package struct FamilyCase: Sendable, CustomTestStringConvertible {
  package let name: String
  package var configuration: ModelConfiguration

  package var testDescription: String { name }

  private init(
    _ name: String, _ family: String, _ change: (inout ModelConfiguration) -> Void = { _ in }
  ) {
    self.name = name
    configuration = TinyModel.configuration()
    configuration.family = family
    change(&configuration)
  }

  private init(_ configuration: ModelConfiguration) {
    name = configuration.family
    self.configuration = configuration
  }

  package static let all = [
    FamilyCase("llama", Llama.name),
    FamilyCase("mistral", Mistral.name) {
      $0.slidingWindow = 5
      $0.tiedHead = false
    },
    FamilyCase("qwen2", Qwen2.name) { $0.attentionBias = true },
    FamilyCase("qwen2 with windows", Qwen2.name) {
      ($0.slidingWindow, $0.attentionPattern) = (4, [.global, .local])
      $0.attentionBias = true
    },
    FamilyCase("qwen3", Qwen3.name) {
      $0.queryKeyNorm = true
      $0.headWidth = 12
      $0.tiedHead = false
    },
    FamilyCase("phi3", Phi3.name) {
      $0.slidingWindow = 7
      $0.tiedHead = false
    },
    FamilyCase(TinyModel.gemma3(layers: 2)),
  ]

  /// The same with another number of blocks.
  package func with(layers: Int) -> FamilyCase {
    var copy = self
    copy.configuration.layers = layers
    return copy
  }
}
