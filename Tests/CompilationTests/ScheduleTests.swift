import Adaptations
import Compilation
import Graphs
import Operations
import Programs
import Tensors
import Testing

@Suite struct ScheduleTests {
  private static var methods: [any Adaptation] { DifferentiationTests.methods }

  /// Whether a node is placed by the schedule.
  private func isMoved(_ node: Node) -> Bool {
    node.phase == .update || node.operation is AccumulateGradient
  }

  @Test(arguments: methods.indices)
  func anUpdateFollowsItsGradientAndTheParametersLastReader(_ method: Int) throws {
    let graph = try Step.graph(Step.trace(Self.methods[method]))
    let (producers, readers) = (graph.producers(), graph.readers())
    let updates = graph.nodes.indices.filter { graph.nodes[$0].operation is SGDUpdate }
    #expect(!updates.isEmpty)
    for position in updates {
      let node = graph.nodes[position]
      #expect(node.part == .body)
      let gradient = try #require(producers[node.operands[1].index])
      let reader = readers[node.operands[0].index].filter { $0 != position }.max() ?? -1
      let earliest = max(gradient, reader)
      #expect(earliest < position)
      let between = graph.nodes[(earliest + 1)..<position]
      #expect(between.allSatisfy(isMoved), "\(between.map(\.operation.name))")
    }
  }

  /// The norm of each gradient is taken at once, so that nothing keeps the gradient any longer.
  @Test(arguments: methods.indices)
  func noGradientOutlivesItsUpdate(_ method: Int) throws {
    let traced = try Step.trace(Self.methods[method])
    let graph = try Step.graph(traced)
    let (producers, readers) = (graph.producers(), graph.readers())
    for (position, node) in graph.nodes.enumerated() where node.operation is SquaredNorm {
      let gradient = try #require(producers[node.operands[0].index])
      #expect(graph.nodes[(gradient + 1)..<position].allSatisfy(isMoved))
      #expect(readers[node.operands[0].index].count == 2)
    }
    // The tied head's gradient waits for the embedding's; beside it no two large ones at once.
    let sizes = traced.parameters.filter(\.parameter.isTrained).map {
      traced.type(of: $0.value).byteCount
    }
    let gradients = try Step.compile(traced).memory.gradients
    #expect(gradients <= 3 * (sizes.max() ?? 0))
    if method == 0 { #expect(gradients < sizes.reduce(0, +) / 4) }
  }

  /// All but the norm of each gradient waits for the last micro-batch, or the clip scale.
  @Test(arguments: [(1.0, 1), (nil, 4), (1.0, 4)] as [(Double?, Int)])
  func clippingAndAccumulationUpdateAtTheEnd(_ clipNorm: Double?, _ accumulation: Int) throws {
    let graph = try Step.graph(
      Step.trace(FullAdaptation()), clipNorm: clipNorm, accumulation: accumulation)
    let updates = graph.nodes.filter { $0.operation is SGDUpdate }
    #expect(updates.count == graph.parameters.count)
    #expect(updates.allSatisfy { $0.part == .finish })
    let clip = try #require(graph.nodes.firstIndex { $0.operation is ClipScale })
    let norms = graph.nodes.indices.filter { graph.nodes[$0].operation is SquaredNorm }
    let firstUpdate = try #require(graph.nodes.firstIndex { $0.operation is SGDUpdate })
    #expect(norms.allSatisfy { $0 < clip } && clip < firstUpdate)
    #expect((graph.nodes[clip].operation as? ClipScale)?.limit == Float(clipNorm ?? 0))
    let part: StepPart = accumulation > 1 ? .finish : .body
    #expect(norms.allSatisfy { graph.nodes[$0].part == part })
    #expect(
      Set(norms.map { (graph.nodes[$0].operation as? SquaredNorm)?.slot }).count == norms.count)
  }

  @Test func accumulatorsAreClearedOnceAndAddedToInTheBody() throws {
    let graph = try Step.graph(Step.trace(FullAdaptation()), accumulation: 4)
    let accumulators = Set(
      graph.values.indices.map { ValueID($0) }.filter {
        if case .state(_, .gradient, _) = graph[$0].source { true } else { false }
      })
    #expect(accumulators.count == graph.parameters.count)
    let cleared = graph.nodes.filter { $0.operation is Clear }
    #expect(cleared.allSatisfy { $0.part == .begin })
    #expect(Set(cleared.map { $0.operands[0] }) == accumulators)
    let adding = graph.nodes.filter { node in
      node.part == .body && node.mutates.contains { accumulators.contains(node.operands[$0]) }
    }
    #expect(adding.count == accumulators.count)
    #expect(adding.allSatisfy { $0.phase == .backward })
  }

  /// A micro-batch's gradient is added as soon as it is there, so it and its operands die at once.
  @Test(arguments: methods.indices)
  func microBatchesHoldNoGradients(_ method: Int) throws {
    let traced = try Step.trace(Self.methods[method])
    let graph = try Step.graph(traced, accumulation: 4)
    let producers = graph.producers()
    for (position, node) in graph.nodes.enumerated() where node.operation is AccumulateGradient {
      let gradient = try #require(producers[node.operands[1].index])
      let between = graph.nodes[(gradient + 1)..<position]
      #expect(between.allSatisfy(isMoved), "\(between.map(\.operation.name))")
    }
    func transientBytes(_ accumulation: Int) throws -> Int {
      let program = try Step.compile(traced, accumulation: accumulation).program
      return program.arenaBytes - program.persistentBytes
    }
    #expect(try transientBytes(4) <= transientBytes(1) * 11 / 10)
  }

  @Test func randomGraphsStayWellFormed() throws {
    for seed in 0..<200 {
      for policy in Step.policies {
        let graph = try Step.graph(
          RandomGraphs.trace(seed: UInt64(seed)), clipNorm: policy.clipNorm,
          accumulation: policy.accumulation)
        try graph.verify()
      }
    }
  }
}
