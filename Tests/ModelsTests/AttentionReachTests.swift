import TestSupport
import Testing

@testable import Models

@Suite struct AttentionReachTests {
  @Test func patternsRepeat() {
    var c = TinyModel.configuration(layers: 7)
    #expect((0..<7).allSatisfy { c.window(layer: $0) == nil })
    c.slidingWindow = 8
    #expect((0..<7).allSatisfy { c.window(layer: $0) == 8 })
    c.attentionPattern = [.local, .local, .global]
    #expect((0..<7).map { c.window(layer: $0) } == [8, 8, nil, 8, 8, nil, 8])
    #expect(c.problem == nil)
  }

  @Test func theShortestPatternStandsForAList() {
    let pattern = ModelConfiguration.attentionPattern
    #expect(pattern([.local, .local, .local]) == [])
    #expect(pattern([.local, .global, .local, .global, .local]) == [.local, .global])
    #expect(pattern([.global, .global, .local]) == [.global, .global, .local])
    #expect(pattern([.global]) == [.global])
    #expect(pattern([]) == [])
  }

  @Test func refusesPatternsThatContradictThemselves() {
    func problem(_ change: (inout ModelConfiguration) -> Void) -> String? {
      var c = TinyModel.configuration()
      change(&c)
      return c.problem
    }
    #expect(problem { $0.attentionPattern = [.local] } != nil)
    #expect(problem { $0.localRotaryBase = 1e4 } != nil)
    #expect(problem { $0.slidingWindow = 0 } != nil)
    #expect(problem { ($0.slidingWindow, $0.attentionPattern) = (4, [.global]) } != nil)
    #expect(
      problem { ($0.slidingWindow, $0.attentionPattern) = (4, [.global, .local, .global]) } != nil)
    #expect(problem { ($0.slidingWindow, $0.localRotaryBase) = (4, .nan) } != nil)
    #expect(problem { ($0.slidingWindow, $0.localRotaryBase) = (4, 1e4) } == nil)
    for scale in [0, -1, .nan, .infinity, 1e9] {
      #expect(problem { $0.embeddingScale = scale } != nil)
      #expect(problem { $0.attentionScale = scale } != nil)
    }
  }
}
