import Compilation
import Models
import Tensors
import TestSupport
import Testing

/// What the backward pass crosses, read off the graph, is what the formulas for Llama's block say.
@Suite struct BackwardReachTests {
  private let layers = 3

  private var reach: BackwardReach {
    let configuration = ModelConfiguration(
      width: 32, hiddenWidth: 48, layers: layers, queryHeads: 4, keyValueHeads: 2, headWidth: 8,
      vocabularySize: 40, contextLength: 64, tiedHead: true)
    return BackwardReach(
      Llama(configuration).traceLoss(batch: 1, tokens: 1, elementType: { _ in .f32 }))
  }

  private static let stages: [LinearKind: Int] = [
    .down: 0, .gate: 1, .up: 1, .output: 2, .query: 3, .key: 3, .value: 3,
  ]

  @Test func depthsCountLinearMapsAbove() {
    let reach = reach
    for layer in 0..<layers {
      for kind in LinearKind.allCases {
        let expected = 4 * (layers - 1 - layer) + (Self.stages[kind] ?? 0)
        #expect(reach.depths[kind.path(layer: layer)] == expected)
      }
    }
    #expect(reach.depths.count == 7 * layers)
  }

  /// Gemma 3's norms behind attention and MLP are crossed by what stands before them, and those of
  /// queries and keys by their own maps and by all that is below.
  @Test func normsOfGemma3AreCrossed() {
    let configuration = TinyModel.gemma3()
    let reach = BackwardReach(
      configuration.model.traceLoss(batch: 1, tokens: 1, elementType: { _ in .f32 }))
    #expect(reach.gains.count == 6 * configuration.layers + 1)
    func gains(_ layer: Int, _ names: [String]) -> [String] {
      names.map { "layers[\(layer)].\($0)" }
    }
    let ofMLP = ["mlp_post_norm"]
    let ofAttention = ofMLP + ["mlp_norm", "attention_post_norm"]
    let all =
      ofAttention + ["attention_norm", "attention.query_norm", "attention.key_norm"]
    for layer in 0..<configuration.layers {
      let above = (layer + 1..<configuration.layers).flatMap { gains($0, all) } + ["norm"]
      for kind in LinearKind.allCases {
        let expected =
          switch kind {
          case .gate, .up, .down: ofMLP
          case .output, .value: ofAttention
          case .query: ofAttention + ["attention.query_norm"]
          case .key: ofAttention + ["attention.key_norm"]
          }
        let found = reach.gains(crossedBy: [kind.path(layer: layer)])
        #expect(Set(found) == Set(above + gains(layer, expected)))
        let stage = 4 * (configuration.layers - 1 - layer) + (Self.stages[kind] ?? 0)
        #expect(reach.depths[kind.path(layer: layer)] == stage)
      }
    }
  }

  @Test func normsAboveATensorAreCrossed() {
    let reach = reach
    #expect(reach.gains.count == 2 * layers + 1)
    for layer in 0..<layers {
      for kind in LinearKind.allCases {
        var expected: Set = ["norm"]
        if kind != .down, kind != .gate, kind != .up {
          expected.insert("layers[\(layer)].mlp_norm")
        }
        for above in layer + 1..<max(layer + 1, layers) {
          expected.formUnion(["layers[\(above)].mlp_norm", "layers[\(above)].attention_norm"])
        }
        #expect(Set(reach.gains(crossedBy: [kind.path(layer: layer)])) == expected)
      }
    }
    #expect(reach.gains(crossedBy: ["head"]).isEmpty)
  }

  /// Every family's block has these depths; a norm over queries is crossed by theirs alone.
  @Test(arguments: FamilyCase.all.map { $0.with(layers: 3) })
  func familiesHaveTheSameDepths(_ family: FamilyCase) {
    let graph = family.configuration.model.traceLoss(
      batch: 1, tokens: 1, from: 0, elementType: { _ in .f32 })
    let reach = BackwardReach(graph)
    for layer in 0..<layers {
      for kind in LinearKind.allCases {
        let expected = 4 * (layers - 1 - layer) + (Self.stages[kind] ?? 0)
        #expect(reach.depths[kind.path(layer: layer)] == expected)
      }
    }
    let headNorms = family.configuration.queryKeyNorm ? 2 : 0
    let streamNorms = family.configuration.family == Gemma3.name ? 4 : 2
    #expect(reach.gains.count == (streamNorms + headNorms) * layers + 1)
    guard headNorms > 0 else { return }
    func crossed(_ kind: LinearKind) -> Set<String> {
      Set(
        reach.gains(crossedBy: [kind.path(layer: 2)]).filter { $0.contains("attention.") })
    }
    #expect(crossed(.query) == ["layers[2].attention.query_norm"])
    #expect(crossed(.key) == ["layers[2].attention.key_norm"])
    #expect(crossed(.value).isEmpty && crossed(.output).isEmpty)
    let below = reach.gains(crossedBy: [LinearKind.down.path(layer: 1)])
    #expect(below.contains("layers[2].attention.query_norm"))
    #expect(!below.contains("layers[1].attention.query_norm"))
  }
}
