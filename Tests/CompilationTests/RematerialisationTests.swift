import Adaptations
import Compilation
import Graphs
import Operations
import Programs
import Tensors
import Testing

@Suite struct RematerialisationTests {
  /// A differentiated, pruned and fused step, before values are computed again.
  private func fused(_ traced: Graph) throws -> Graph {
    var graph = traced
    let scale = graph.addSource(.input("loss_scale"), TensorType([1]))
    let gradients = try graph.differentiate(graph.outputs[0].value, cotangent: scale)
    graph.appendUpdates(gradients, policy: Step.policy())
    graph.prune()
    graph.fuse()
    return graph
  }

  @Test func normsAndGatesOfAFullStepAreComputedAgain() throws {
    let before = try fused(Step.trace(FullAdaptation()))
    var after = before
    after.rematerialise()
    try after.verify()
    let names = after.nodes.filter { $0.phase == .backward }.map(\.operation.name)
    // Two norms and a gate in each of three blocks; the final norm is read by the head at once.
    #expect(names.filter { $0 == "rmsnorm" }.count == 6)
    #expect(names.filter { $0 == "swiglu" }.count == 3)
  }

  /// Normalised queries and keys are not stored, nor what they are when turned: both come again from
  /// what their matrices gave. Without norms that is what is turned, and not stored itself.
  @Test func turnedQueriesComeAgainFromBeforeTheirNorm() throws {
    func again(_ queryKeyNorm: Bool) throws -> (norms: Int, turns: Int) {
      var configuration = Step.configuration()
      configuration.queryKeyNorm = queryKeyNorm
      var graph = try fused(Step.trace(FullAdaptation(), configuration))
      graph.rematerialise()
      try graph.verify()
      let copies = graph.nodes.filter { $0.phase == .backward }
      return (
        copies.count { $0.operation.name == "head_norm" },
        copies.count { ($0.operation as? Rotary)?.isInverse == false }
      )
    }
    #expect(try again(true) == (6, 6))
    #expect(try again(false) == (0, 0))
  }

  /// Products and attention give their outputs again, the cheapest for their bytes first; memory
  /// falls with every few of them, and the step's arithmetic grows by theirs.
  @Test func productsAreComputedAgainWhereAskedFor() throws {
    func compile(_ count: Int) throws -> CompiledProgram {
      var compiler = TrainingCompiler(policy: Step.policy(), precision: .bf16)
      compiler.recomputed = count
      var layout = PersistentLayout()
      return try compiler.compile(Step.trace(FullAdaptation()), layout: &layout)
    }
    let (none, all) = (try compile(0), try compile(.max))
    // In each of three blocks query, key and value, attention, gate and up; the lowest block too.
    #expect(none.recomputed == 0 && all.recomputed == 3 * 6)
    var before = none
    for count in [6, 12, 18] {
      let some = try compile(count)
      #expect(some.recomputed == count)
      #expect(some.memory.activations < before.memory.activations, "\(count)")
      #expect(some.program.bodyFlops > before.program.bodyFlops)
      before = some
    }
    // Attention costs least for its bytes here.
    let first = try Step.graph(Step.trace(FullAdaptation()), precision: .bf16, recomputed: 1)
    let names = first.nodes.filter { $0.phase == .backward }.map(\.operation.name)
    #expect(names.contains("attention") && !names.contains("linear"))
  }

  @Test func noOtherValueLivesLonger() throws {
    var steps = try DifferentiationTests.methods.map { try fused(Step.trace($0)) }
    steps += try (0..<200).map { try fused(RandomGraphs.trace(seed: UInt64($0))) }
    for before in steps {
      var after = before
      after.rematerialise()
      try after.verify()
      let place = Dictionary(
        uniqueKeysWithValues: after.nodes.enumerated().map { ($1.id, $0) })
      let (oldReaders, newReaders) = (before.readers(), after.readers())
      for node in before.nodes {
        for value in node.results {
          guard let last = newReaders[value.index].last else { continue }
          let lastBefore = try #require(oldReaders[value.index].last)
          let limit = try #require(place[before.nodes[lastBefore].id])
          #expect(last <= limit, "\(value) of \(node.operation.name)")
        }
      }
    }
  }

  /// Only the tensor behind the gate trains: its operands are not kept, so the gate's result is.
  @Test func nothingIsComputedAgainFromWhatIsNotKept() throws {
    let graph = try Step.graph(
      Step.trace(SparseAdaptation(scheme: ["layers[1].mlp.down": 1])))
    #expect(!graph.nodes.contains { $0.phase == .backward && $0.operation is GatedActivation })
  }

  @Test func itLowersThePeak() throws {
    let traced = try Step.trace(FullAdaptation())
    let bytes = try [false, true].map { rematerialises in
      var layout = PersistentLayout()
      let compiler = TrainingCompiler(policy: Step.policy(), rematerialises: rematerialises)
      let program = try compiler.compile(traced, layout: &layout).program
      return program.arenaBytes - program.persistentBytes
    }
    #expect(bytes[1] < bytes[0])
  }
}
