import Adaptations
import Checkpoints
import Graphs
import Operations
import Tensors
import TestSupport
import Testing
import Training

/// The head trained whole, and rows of it apart from the frozen rest.
@Suite struct HeadTrainingTests {
  /// Trains every row of the head as a selection.
  private struct EveryRowSelected: Adaptation {
    var name: String { "test" }

    func apply(to graph: inout Graph) throws(AdaptationError) -> SavePlan {
      graph.untieHead()
      guard let head = graph.parameters.first(where: { $0.parameter.path == "head" }) else {
        throw .trainsNothing(method: name)
      }
      try graph.selectRows(Array(0..<Int32(head.parameter.rows.count)), of: head.value)
      for (value, parameter) in graph.parameters where parameter.path == "norm" {
        guard case .parameter(var trained) = graph[value].source else { continue }
        trained.isTrained = true
        graph[value].source = .parameter(trained)
      }
      return SavePlan(rowsOf: graph)
    }
  }

  /// All rows by number are the whole head: same logits, gradients and updates.
  @Test(arguments: [true, false], [ElementType.f32, .bf16, .int8])
  func selectingEveryRowIsTrainingTheWhole(tiedHead: Bool, elementType: ElementType) throws {
    let fixture = try TrainingFixture(
      TinyModel.configuration(tiedHead: tiedHead), elementType: elementType)
    let settings = TrainingFixture.settings(steps: 5)
    let whole = try fixture.train(SparseAdaptation(scheme: ["head": 1, "norm": 1]), settings)
    let selected = try fixture.train(EveryRowSelected(), settings)
    for (a, b) in zip(whole.losses, selected.losses) { #expect(abs(a - b) < 1e-6) }
    let (expected, found) = (whole.session.parameters, selected.session.parameters)
    for path in ["head", "norm"] {
      let (a, b) = (try #require(expected[path]), try #require(found[path]))
      #expect(zip(a, b).allSatisfy { abs($0 - $1) < 1e-5 }, "\(path)")
    }
  }

  /// Rows that are not selected, and the table of the lookup, stay what they were; those that are
  /// cost memory, the others none.
  @Test(arguments: [true, false], [ElementType.f32, .bf16, .int8])
  func onlySelectedRowsChangeAndCost(tiedHead: Bool, elementType: ElementType) throws {
    let fixture = try TrainingFixture(
      TinyModel.configuration(tiedHead: tiedHead), elementType: elementType)
    let order: [Int32] = (0..<20).map { 39 - 2 * $0 }
    let record = try fixture.train(
      SparseAdaptation(scheme: ["head": 0.4], headRows: order),
      TrainingFixture.settings(steps: 3), store: try fixture.store("run"))
    let rows = Set(order.prefix(16).map(Int.init))
    let delta = try Delta.open(fixture.folder["run/last/trained.sfdelta"])
    #expect(delta.entries.flatMap { Array($0.rows) } == rows.sorted())
    let merged = fixture.folder["merged.sfckpt"]
    try Delta.apply(to: fixture.checkpoint, deltas: [(delta, 1)], output: merged)
    let head = try #require(try Checkpoint.open(merged).tensor("head")).widened()
    let old = try #require(fixture.checkpoint.origin(of: "head")).widened()
    for row in 0..<40 {
      let isSame = head[row * 32..<(row + 1) * 32] == old[row * 32..<(row + 1) * 32]
      #expect(isSame != rows.contains(row), "row \(row)")
    }
    #expect(head == record.session.parameters["head"])
    let step = record.session.step
    let plan = step.training.memory
    #expect(plan.parameters == 4 * 16 * 32 && plan.optimizer == 8 * 16 * 32)
    let stored = fixture.checkpoint.tensors.reduce(0) { $0 + $1.byteCount }
    #expect(step.mappedWeightBytes == stored)
  }

  /// A text whose frequent pieces are others must not go on from this one's rows.
  @Test func aStateOfOtherRowsIsRefused() throws {
    let fixture = try TrainingFixture()
    func adaptation(_ first: Int32) -> SparseAdaptation {
      SparseAdaptation(scheme: ["head": 0.4], headRows: Array(first..<first + 16))
    }
    let store = try fixture.store("run")
    let settings = TrainingFixture.settings(steps: 3)
    _ = try fixture.train(adaptation(0), settings, store: store, stopAfter: 1)
    let error = #expect(throws: TrainingError.self) {
      try fixture.train(adaptation(1), settings, store: store, resuming: true)
    }
    guard case .resumeMismatch(_, let field, _, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(field.hasPrefix("tensor head[16 of 40, "))
  }
}
