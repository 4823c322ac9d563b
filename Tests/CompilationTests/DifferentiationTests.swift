import Adaptations
import Compilation
import Graphs
import Operations
import Programs
import Tensors
import Testing

/// Only what leads to an update is emitted, computed and kept.
@Suite struct DifferentiationTests {
  /// One sparse scheme with a deepest tensor in the middle of the model.
  private static let sparse = SparseAdaptation(
    scheme: ["layers[1].mlp.down": 1, "layers[2].attention.query": 0.5, "layers[2].mlp_norm": 1])

  static let methods: [any Adaptation] = [
    FullAdaptation(), NormsAdaptation(), LastLayersAdaptation(count: 1, layers: 3), sparse,
    LoRAAdaptation(
      rank: 4, alpha: 8, targets: ["layers[1].attention.value", "layers[2].mlp.up"]),
    BiasAdaptation(matrices: ["layers[1].attention.key", "layers[2].mlp.down"], firstBlock: 1),
    TinyTLAdaptation(units: 3, matrices: ["layers[2].mlp.gate"], blocks: 1..<3),
    LadderAdaptation(width: 4, blocks: 1..<3),
  ]

  @Test(arguments: methods.indices)
  func everyNodeLeadsToAnUpdateOrAnOutput(_ method: Int) throws {
    for policy in Step.policies {
      let graph = try Step.graph(
        Step.trace(Self.methods[method]), clipNorm: policy.clipNorm,
        accumulation: policy.accumulation)
      var needed = Set(graph.outputs.map(\.value))
      for node in graph.nodes.reversed() {
        let isNeeded = !node.mutates.isEmpty || node.results.contains(where: needed.contains)
        #expect(isNeeded, "\(node.id) \(node.operation.name)")
        needed.formUnion(node.operands)
      }
    }
  }

  @Test func pruneDropsWhatNothingReads() {
    let tracer = Tracer()
    let x = tracer.input("x", TensorType([2, 4]))
    let unused = x.applying(Add(), x)[0]
    _ = unused.applying(GatedActivation(.silu), x)
    tracer.output("y", x.applying(GatedActivation(.silu), x)[0])
    var graph = tracer.graph
    graph.prune()
    #expect(graph.nodes.map(\.operation.name) == ["swiglu"])
  }

  @Test(arguments: methods.indices)
  func exactlyTheTrainedTensorsGetGradients(_ method: Int) throws {
    let traced = try Step.trace(Self.methods[method])
    let trained = traced.parameters.filter(\.parameter.isTrained)
    var graph = traced
    let scale = graph.addSource(.input("loss_scale"), TensorType([1]))
    let gradients = try graph.differentiate(traced.outputs[0].value, cotangent: scale)
    #expect(Set(gradients.keys) == Set(trained.map(\.value)))
    for (value, gradient) in gradients {
      #expect(graph.type(of: gradient) == graph.type(of: value))
    }
    let step = try Step.graph(traced)
    let updates = step.nodes.filter { $0.operation is SGDUpdate }
    #expect(updates.count == trained.count)
    #expect(Set(updates.map { $0.operands[0] }) == Set(trained.map(\.value)))
    // Each contribution to a parameter's gradient is one node, or one result of the head's.
    let makers = step.nodes.filter { node in
      switch node.operation {
      case is LinearWeightGradient, is ColumnSum, is RMSNormGainGradient, is EmbeddingGradient: true
      default: false
      }
    }
    let heads = step.nodes.compactMap { $0.operation as? HeadLoss }
    let reads = traced.nodes.flatMap(\.operands)
    let expected = trained.reduce(0) { sum, item in sum + reads.filter { $0 == item.value }.count }
    #expect(makers.count + heads.flatMap(\.wantsWeights).filter { $0 }.count == expected)
  }

  @Test func nothingIsEmittedOrKeptBelowTheDeepestTrainedTensor() throws {
    let traced = try Step.trace(Self.sparse)
    let graph = try Step.graph(traced)
    let deepest = try #require(graph.firstReader(of: "layers[1].mlp.down"))
    let below = Set(graph.nodes[..<deepest].flatMap(\.results))
    let backward = graph.nodes.filter { $0.phase != .forward }
    // Of what is computed up to there, the backward pass reads the tensor's input and nothing else.
    let kept = Set(backward.flatMap(\.operands)).intersection(below)
    #expect(kept == [graph.nodes[deepest].operands[0]])
    // No frozen tensor of that depth or below is read by it either.
    let paths = Set(backward.flatMap(\.operands).compactMap { graph.parameter($0)?.path })
    let allowed: Set = ["layers[1].mlp.down", "norm"]
    #expect(paths.allSatisfy { $0.hasPrefix("layers[2].") || allowed.contains($0) })
    #expect(paths.contains("layers[2].mlp.gate"))
  }

  @Test func nothingTrainedMeansNoBackwardPass() throws {
    let graph = try Step.graph(Step.trace(NoAdaptation()))
    #expect(graph.nodes.allSatisfy { $0.phase == .forward })
  }

  @Test func anOperationWithoutPullbackIsNamed() throws {
    var graph = Graph()
    let parameter = Parameter(path: "p", rows: 0..<4, isTrained: true, initial: .zeros)
    let p = graph.addSource(.parameter(parameter), TensorType([2, 4]))
    let gradient = GatedActivationGradient(.silu, wantsGate: true, wantsUp: false)
    let loss = graph.add(gradient, [p, p, p])[0]
    let seed = graph.addSource(.input("seed"), TensorType([2, 4]))
    #expect(throws: GraphError.invalid(node: "0 swiglu_gradient", problem: "has no pullback")) {
      _ = try graph.differentiate(loss, cotangent: seed)
    }
  }

  @Test func aMissingLossIsNamed() {
    #expect(throws: GraphError.invalid(node: "output loss", problem: "is missing")) {
      _ = try Step.graph(Graph())
    }
  }
}

/// Trains nothing.
private struct NoAdaptation: Adaptation {
  var name: String { "none" }
  func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan { SavePlan() }
}
