import Adaptations
import Graphs
import Models
import Operations
import Programs
import Tensors
import Testing

/// Which parameters each method lets move.
@Suite struct AdaptationTests {
  private func configuration(tiedHead: Bool) -> ModelConfiguration {
    ModelConfiguration(
      width: 32, hiddenWidth: 48, layers: 2, queryHeads: 4, keyValueHeads: 2, headWidth: 8,
      vocabularySize: 40, contextLength: 64, tiedHead: tiedHead)
  }

  private func trace(tiedHead: Bool = false) -> Graph {
    Llama(configuration(tiedHead: tiedHead)).traceLoss(batch: 1, tokens: 4) {
      $0.hasSuffix("norm") ? .f32 : .bf16
    }
  }

  private func adapted(_ method: some Adaptation, tiedHead: Bool = false) throws -> Graph {
    var graph = trace(tiedHead: tiedHead)
    try method.adapt(&graph)
    try graph.verify()
    return graph
  }

  private func trained(_ graph: Graph) -> Set<String> {
    Set(graph.parameters.filter(\.parameter.isTrained).map(\.parameter.name))
  }

  /// Names of whole tensors of the model.
  private func names(tiedHead: Bool, where isWanted: (String) -> Bool) -> Set<String> {
    Set(
      configuration(tiedHead: tiedHead).parameters.filter { isWanted($0.name) }
        .map { "\($0.name)[0..<\($0.shape[0])]" })
  }

  @Test(arguments: [false, true])
  func fullTrainsEverything(_ tiedHead: Bool) throws {
    let graph = try adapted(FullAdaptation(), tiedHead: tiedHead)
    #expect(trained(graph) == names(tiedHead: tiedHead) { _ in true })
    #expect(graph.trainedParameterCount == configuration(tiedHead: tiedHead).parameterCount)
    for (value, _) in graph.parameters { #expect(graph.type(of: value).elementType == .f32) }
  }

  @Test func normsTrainsGainsOnly() throws {
    let graph = try adapted(NormsAdaptation())
    #expect(trained(graph) == names(tiedHead: false) { $0.hasSuffix("norm") })
    #expect(graph.trainedParameterCount == 5 * 32)
  }

  @Test func biasTrainsGainsAndBiasesAboveACut() throws {
    let maps: Set = ["layers[1].attention.key", "layers[1].mlp.up"]
    let graph = try adapted(BiasAdaptation(matrices: maps, firstBlock: 1))
    let gains = names(tiedHead: false) { $0.hasSuffix("norm") && !$0.hasPrefix("layers[0]") }
    #expect(
      trained(graph)
        == gains.union(["layers[1].attention.key.bias[0..<16]", "layers[1].mlp.up.bias[0..<48]"]))
    let added = graph.parameters.filter { $0.parameter.path.hasSuffix(".bias") }
    #expect(added.allSatisfy { $0.parameter.initial == .zeros && $0.parameter.kind == .bias })
    let error = AdaptationError.notLinear(path: "layers[0].mlp_norm")
    #expect(throws: error) {
      try adapted(BiasAdaptation(matrices: ["layers[0].mlp_norm", "layers[0].mlp.up"]))
    }
  }

  /// A bias that the model has trains as its other tensors do.
  @Test func biasTrainsTheModelsOwn() throws {
    var configuration = configuration(tiedHead: true)
    configuration.attentionBias = true
    var graph = Llama(configuration).traceLoss(batch: 1, tokens: 4) { _ in .f32 }
    let plan = try BiasAdaptation(
      matrices: ["layers[0].attention.query", "layers[0].attention.output"], firstBlock: 2
    ).adapt(&graph)
    #expect(
      plan.changes.map(\.tensor) == [
        "layers[0].attention.query.bias", "norm", "layers[0].attention.output.bias",
      ])
    #expect(
      graph.parameters.first { $0.parameter.path == "layers[0].attention.query.bias" }?.parameter
        .initial == .checkpoint(name: "layers[0].attention.query.bias", rows: 0..<32))
  }

  /// The MLP's result is its own plus that of the units, which are wired as its own are.
  @Test func tinyTLAddsHiddenUnits() throws {
    let graph = try adapted(TinyTLAdaptation(units: 3, matrices: [], blocks: 1..<2))
    let added = graph.parameters.filter { $0.parameter.path.hasSuffix(".added") }
    #expect(
      added.map(\.parameter.path) == ["gate", "up", "down"].map { "layers[1].mlp.\($0).added" })
    #expect(added.map { graph.type(of: $0.value).shape } == [[3, 32], [3, 32], [32, 3]])
    #expect(added[2].parameter.initial == .zeros)
    let position = try #require(
      graph.nodes.firstIndex { $0.operands.contains(added[2].value) })
    let nodes = graph.nodes[position - 4...position + 1]
    #expect(
      nodes.map(\.operation.name) == ["linear", "linear", "linear", "swiglu", "linear", "add"])
    let own = try #require(
      graph.nodes.first { node in
        node.operands.count > 1
          && graph.parameters.contains {
            $0.value == node.operands[1] && $0.parameter.path == "layers[1].mlp.gate"
          }
      })
    #expect(graph.nodes[position - 3].operands[0] == own.operands[0])
  }

  @Test func lastLayersTrainsBlocksFromTheTop() throws {
    let one = try adapted(LastLayersAdaptation(count: 1, layers: 2))
    #expect(
      trained(one)
        == names(tiedHead: false) { $0.hasPrefix("layers[1].") || $0 == "norm" })
    let two = try adapted(LastLayersAdaptation(count: 2, layers: 2, trainsHead: true))
    #expect(trained(two) == names(tiedHead: false) { $0 != "embedding" })
    let tied = try adapted(
      LastLayersAdaptation(count: 1, layers: 2, trainsHead: true), tiedHead: true)
    #expect(
      trained(tied)
        == names(tiedHead: true) {
          $0.hasPrefix("layers[1].") || $0 == "norm" || $0 == "embedding"
        })
  }

  @Test func lastLayersDoesNotTakeLayer10ForLayer1() throws {
    var many = configuration(tiedHead: false)
    many.layers = 12
    var graph = Llama(many).traceLoss(batch: 1, tokens: 4) { _ in .f32 }
    try LastLayersAdaptation(count: 11, layers: 12).adapt(&graph)
    let frozen = graph.parameters.filter { !$0.parameter.isTrained }.map(\.parameter.path)
    #expect(frozen.allSatisfy { $0.hasPrefix("layers[0].") || ["embedding", "head"].contains($0) })
  }

  @Test func moreLayersThanThereAreIsAnError() {
    var graph = trace()
    #expect(throws: AdaptationError.tooManyLayers(asked: 3, available: 2)) {
      try LastLayersAdaptation(count: 3, layers: 2).adapt(&graph)
    }
  }
}

/// Chosen tensors and shares of their rows.
@Suite struct SparseAdaptationTests {
  private let configuration = ModelConfiguration(
    width: 32, hiddenWidth: 48, layers: 2, queryHeads: 4, keyValueHeads: 2, headWidth: 8,
    vocabularySize: 40, contextLength: 64, tiedHead: true)

  private func adapted(_ scheme: [String: Double]) throws -> Graph {
    var graph = Llama(configuration).traceLoss(batch: 1, tokens: 4) {
      $0.hasSuffix("norm") ? .f32 : .int8
    }
    try SparseAdaptation(scheme: scheme).adapt(&graph)
    try graph.verify()
    return graph
  }

  @Test func wholeTensorsTrainInF32AndOthersStay() throws {
    let graph = try adapted(["layers[1].mlp.down": 1, "norm": 1])
    for (value, parameter) in graph.parameters {
      let isChosen = ["layers[1].mlp.down", "norm"].contains(parameter.path)
      #expect(parameter.isTrained == isChosen, "\(parameter.path)")
      let isFloat = isChosen || parameter.path.hasSuffix("norm")
      #expect(graph.type(of: value).elementType == (isFloat ? .f32 : .int8))
    }
  }

  @Test func aShareSplitsTheMatrixInRowRanges() throws {
    let graph = try adapted(["layers[0].mlp.up": 0.3])
    let parts = graph.parameters.filter {
      $0.parameter.path == "layers[0].mlp.up" && $0.parameter.rows.count < 48
    }
    #expect(
      parts.map(\.parameter.name) == ["layers[0].mlp.up[0..<16]", "layers[0].mlp.up[16..<48]"])
    #expect(parts.map(\.parameter.isTrained) == [true, false])
    #expect(
      parts.map { graph.type(of: $0.value) } == [
        TensorType([16, 32]), TensorType([32, 32], .int8),
      ])
    #expect(
      parts.map(\.parameter.initial) == [
        .checkpoint(name: "layers[0].mlp.up", rows: 0..<16),
        .checkpoint(name: "layers[0].mlp.up", rows: 16..<48),
      ])
    #expect(graph.trainedParameterCount == 16 * 32)
    let split = graph.nodes.filter { $0.operands.contains(parts[0].value) }
    #expect(split.count == 1)
    #expect((split.first?.operation as? Linear)?.parts == 2)
    #expect(split.first.map { Array($0.operands.suffix(2)) } == parts.map(\.value))
  }

  /// A tied table is split for the lookup and for the head.
  @Test func aShareOfATiedTableSplitsBothReaders() throws {
    let graph = try adapted(["embedding": 0.5])
    let lookup = graph.nodes.compactMap { $0.operation as? Embedding }
    let head = graph.nodes.compactMap { $0.operation as? HeadLoss }
    #expect(lookup.map(\.parts) == [2])
    #expect(head.map(\.parts) == [2])
    #expect(head.map(\.wantsWeights) == [[false, false]])
    #expect(graph.trainedParameterCount == 16 * 32)
  }

  @Test(arguments: [
    (1.0, 100, 100), (2.0, 100, 100), (0.5, 100, 48), (0.25, 64, 16), (0.1, 40, 4),
    (0.001, 100, 1), (0.999, 16, 16), (0.99, 100, 96), (0.5, 1, 1), (0.02, 49152, 976),
  ])
  func rowsOfAShare(_ share: Double, _ total: Int, _ expected: Int) {
    #expect(SparseAdaptation.rows(share: share, of: total) == expected)
  }

  @Test func mistakesAreErrors() {
    #expect(throws: AdaptationError.matchesNothing(pattern: "layers[7].mlp.up")) {
      _ = try adapted(["layers[0].mlp.up": 1, "layers[7].mlp.up": 1])
    }
    #expect(throws: AdaptationError.shareOfVector(path: "norm", share: 0.5)) {
      _ = try adapted(["norm": 0.5])
    }
    #expect(throws: AdaptationError.trainsNothing(method: "sparse")) { _ = try adapted([:]) }
    #expect(
      "\(AdaptationError.shareOfVector(path: "norm", share: 0.5))"
        == "'norm' is a vector and trains whole; its share is 0.5, expected 1")
  }

  /// Schemes are dictionaries; the graph must not depend on their order.
  @Test func theGraphDoesNotDependOnTheSchemesOrder() throws {
    let paths = configuration.parameters.filter(\.isMatrix).map(\.name)
    let scheme = Dictionary(uniqueKeysWithValues: paths.map { ($0, 0.5) })
    var other = [String: Double](minimumCapacity: 1000)
    for path in paths.reversed() { other[path] = 0.5 }
    #expect(try adapted(scheme).description == adapted(other).description)
  }
}
