import Testing

@testable import Models

/// Llama 3's rule, told from the factors that GGUF files keep of it.
@Suite struct RotaryFactorsTests {
  private func factors(_ rule: RotaryScaling, base: Double, headWidth: Int) -> [Float] {
    func frequencies(_ scaling: RotaryScaling) -> [Double] {
      RotaryTable.frequencies(
        ModelConfiguration(
          width: 64, hiddenWidth: 64, layers: 1, queryHeads: 1, keyValueHeads: 1,
          headWidth: headWidth, vocabularySize: 8, contextLength: 8, rotaryBase: base,
          rotaryScaling: scaling, tiedHead: true))
    }
    return zip(frequencies(.none), frequencies(rule)).map { Float($0 / $1) }
  }

  @Test(arguments: [8.0, 32.0], [64, 128])
  func llama3(_ factor: Double, _ headWidth: Int) throws {
    let rule = RotaryScaling.llama3(
      factor: factor, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192)
    let values = factors(rule, base: 500_000, headWidth: headWidth)
    #expect(
      RotaryScaling(
        factors: values, base: 500_000, headWidth: headWidth, originalContextLength: nil) == rule)
  }

  /// Other numbers of the rule: the original length is free, so a rule of the same frequencies.
  @Test func anotherRampIsFound() throws {
    let rule = RotaryScaling.llama3(
      factor: 4, lowFrequencyFactor: 2, highFrequencyFactor: 16, originalContextLength: 2048)
    let values = factors(rule, base: 10_000, headWidth: 128)
    let found = try #require(
      RotaryScaling(factors: values, base: 10_000, headWidth: 128, originalContextLength: nil))
    for (a, b) in zip(factors(found, base: 10_000, headWidth: 128), values) {
      #expect((a / b - 1).magnitude < 1e-5)
    }
  }

  @Test func otherFactorsAreRefused() {
    var values = factors(
      .llama3(
        factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192),
      base: 500_000, headWidth: 64)
    values[20] *= 1.01
    func rule(_ values: [Float]) -> RotaryScaling? {
      RotaryScaling(factors: values, base: 500_000, headWidth: 64, originalContextLength: nil)
    }
    #expect(rule(values) == nil)
    #expect(rule([]) == nil)
    #expect(rule([Float](repeating: .nan, count: 32)) == nil)
    #expect(rule([Float](repeating: 0, count: 32)) == nil)
    #expect(rule((0..<32).map { 1 + Float($0) }) == nil)
    #expect(rule([Float](repeating: 1, count: 32)) == RotaryScaling.none)
  }
}
