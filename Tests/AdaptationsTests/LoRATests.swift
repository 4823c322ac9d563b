import Adaptations
import Graphs
import Models
import Operations
import Programs
import Tensors
import Testing

/// Low-rank factors are inserted at the targets, and nowhere else.
@Suite struct LoRATests {
  private func trace(tiedHead: Bool = false, attentionBias: Bool = false) -> Graph {
    let configuration = ModelConfiguration(
      width: 32, hiddenWidth: 48, layers: 2, queryHeads: 4, keyValueHeads: 2, headWidth: 8,
      vocabularySize: 40, contextLength: 64, tiedHead: tiedHead, attentionBias: attentionBias)
    return Llama(configuration).traceLoss(batch: 1, tokens: 4) {
      $0.hasSuffix("norm") || $0.hasSuffix("bias") ? .f32 : .bf16
    }
  }

  private let targets: Set = ["layers[0].attention.query", "layers[1].mlp.down"]

  @Test(arguments: [false, true])
  func factorsTrainAndWeightsStayFrozen(_ tiedHead: Bool) throws {
    var graph = trace(tiedHead: tiedHead)
    let before = graph
    try LoRAAdaptation(rank: 4, alpha: 8, targets: targets).adapt(&graph)
    try graph.verify()
    let trained = graph.parameters.filter(\.parameter.isTrained)
    #expect(
      trained.map(\.parameter.name) == [
        "layers[0].attention.query.lora_a[0..<4]", "layers[0].attention.query.lora_b[0..<32]",
        "layers[1].mlp.down.lora_a[0..<4]", "layers[1].mlp.down.lora_b[0..<32]",
      ])
    #expect(
      trained.map { graph.type(of: $0.value).shape } == [[4, 32], [32, 4], [4, 48], [32, 4]])
    #expect(
      trained.map(\.parameter.initial) == [
        .kaimingUniform(fanIn: 32, stream: 1), .zeros, .kaimingUniform(fanIn: 48, stream: 2),
        .zeros,
      ])
    #expect(graph.nodes.count == before.nodes.count + 2 * 3)
    #expect(graph.trainedParameterCount == 4 * (32 + 32) + 4 * (48 + 32))
  }

  /// frozen product, x·Aᵀ, scaled ·Bᵀ, sum; readers of the old result read the sum.
  @Test func insertsTheLowRankSumInPlaceOfTheProduct() throws {
    var graph = trace()
    let linear = try #require(
      graph.nodes.first { node in
        node.operands.count > 1
          && graph[node.operands[1]].source
            == .parameter(
              Parameter(
                path: "layers[0].attention.query", rows: 0..<32,
                initial: .checkpoint(name: "layers[0].attention.query", rows: 0..<32)))
      })
    try LoRAAdaptation(rank: 4, alpha: 8, targets: targets).adapt(&graph)
    let position = try #require(graph.producers()[linear.results[0].index])
    let nodes = graph.nodes[position - 3...position]
    #expect(nodes.map(\.operation.name) == ["linear", "linear", "linear", "add"])
    #expect(nodes.compactMap { $0.operation as? Linear }.map(\.scale) == [1, 1, 2])
    let (frozen, down, up, sum) = (
      graph.nodes[position - 3], graph.nodes[position - 2], graph.nodes[position - 1],
      graph.nodes[position]
    )
    #expect(frozen.operands == linear.operands)
    #expect(down.operands[0] == linear.operands[0])
    #expect(up.operands[0] == down.results[0])
    #expect(sum.operands == [frozen.results[0], up.results[0]])
    #expect(sum.results == linear.results)
  }

  @Test func biasesStayWithTheFrozenProduct() throws {
    var graph = trace(attentionBias: true)
    try LoRAAdaptation(rank: 2, alpha: 2, targets: ["layers[0].attention.key"]).adapt(&graph)
    try graph.verify()
    let linears = graph.nodes.compactMap { $0.operation as? Linear }
    #expect(linears.filter(\.hasBias).count == 6)
  }

  @Test func nothingToAdaptIsAnError() {
    var graph = trace(tiedHead: true)
    #expect(throws: AdaptationError.trainsNothing(method: "lora")) {
      try LoRAAdaptation(rank: 4, alpha: 8, targets: []).adapt(&graph)
    }
    #expect(throws: AdaptationError.self) {
      try LoRAAdaptation(rank: 4, alpha: 8, targets: ["layers[5].mlp.up"]).adapt(&graph)
    }
  }

  @Test func scaleIsAlphaOverRank() {
    #expect(LoRAAdaptation(rank: 8, alpha: 4, targets: []).scale == 0.5)
  }
}
