import Adaptations
import Graphs
import Models
import Programs
import Tensors
import Testing

/// What methods say goes into a delta.
@Suite struct SavePlanTests {
  private func trace() -> Graph {
    let configuration = ModelConfiguration(
      width: 32, hiddenWidth: 48, layers: 2, queryHeads: 4, keyValueHeads: 2, headWidth: 8,
      vocabularySize: 40, contextLength: 64, tiedHead: true)
    return Llama(configuration).traceLoss(batch: 1, tokens: 4) { _ in .f32 }
  }

  @Test func factorsAreNamedWithTheirMatrix() throws {
    var graph = trace()
    let plan = try LoRAAdaptation(rank: 4, alpha: 8, targets: ["layers[1].mlp.up"]).adapt(&graph)
    #expect(
      plan.changes == [
        SavePlan.Change(
          tensor: "layers[1].mlp.up",
          content: .lowRank(
            a: "layers[1].mlp.up.lora_a[0..<4]", b: "layers[1].mlp.up.lora_b[0..<48]", rank: 4,
            scale: 2))
      ])
  }

  @Test func rowsAreRunsOfConsecutiveOnes() throws {
    var graph = trace()
    let method = SparseAdaptation(
      scheme: ["head": 0.1, "norm": 1], headRows: [7, 3, 9, 8, 30, 31, 1, 2])
    let plan = try method.adapt(&graph)
    let runs = Dictionary(
      uniqueKeysWithValues: plan.changes.map { change in
        if case .rows(let runs, _) = change.content { (change.tensor, runs) } else { ("", []) }
      })
    // A tenth of 40 rows: the first four of those given, in their order in the vocabulary.
    #expect(runs == ["head": [3..<4, 7..<10], "norm": [0..<32]])
    #expect(method.trainedShares == ["head": 0.1, "norm": 1])
    #expect(FullAdaptation().trainedShares == nil)
  }

  @Test func everyTrainedParameterIsClaimedOnce() throws {
    var graph = trace()
    var plan = try FullAdaptation().adapt(&graph)
    #expect(plan.misclaimed(in: graph) == nil)
    let last = plan.changes.removeLast()
    #expect(plan.misclaimed(in: graph) == last.parameters[0])
    plan.changes += [last, last]
    #expect(plan.misclaimed(in: graph) == last.parameters[0])
    plan.changes.removeLast()
    #expect(plan.misclaimed(in: graph) == nil)
    plan.changes.append(
      SavePlan.Change(tensor: "branch", content: .tensor([2, 2], parameter: "branch[0..<2]")))
    #expect(plan.misclaimed(in: graph) == "branch[0..<2]")
  }

  /// Trains the last norm and forgets it.
  private struct Forgetful: Adaptation {
    var name: String { "forgetful" }

    func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan {
      for (value, parameter) in graph.parameters where parameter.path == "norm" {
        var trained = parameter
        trained.isTrained = true
        graph[value].source = .parameter(trained)
      }
      return SavePlan()
    }
  }

  #if DEBUG
    @Test func aForgottenParameterTrapsInDebugBuilds() async {
      await #expect(processExitsWith: .failure) {
        var graph = SavePlanTests().trace()
        try Forgetful().adapt(&graph)
      }
    }
  #else
    @Test func aForgottenParameterIsAnError() {
      var graph = trace()
      #expect(throws: AdaptationError.unclaimed(method: "forgetful", parameter: "norm[0..<32]")) {
        try Forgetful().adapt(&graph)
      }
    }
  #endif

  /// A method finds a block's parts by name.
  @Test func modulesAreNamed() throws {
    let graph = trace()
    let attention = try #require(graph.module("layers[1].attention"))
    let output = try #require(graph.module("layers[1].attention.output"))
    let norm = try #require(graph.module("layers[1].attention_norm"))
    #expect(attention.output == output.output && attention.input == norm.output)
    #expect(graph.module("layers[1]")?.input == graph.module("layers[0]")?.output)
    #expect(graph.module("layers[2]") == nil)
    #expect(graph.modules.count == 2 * 12 + 2)
  }
}
