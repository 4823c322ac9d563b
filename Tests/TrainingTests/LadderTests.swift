import Adaptations
import Checkpoints
import Graphs
import Operations
import Programs
import Tensors
import TestSupport
import Testing
import Training
import Weights

/// A network beside the model.
@Suite struct LadderTests {
  /// The delta beside the base scores a text as training last saw it, and nothing can merge it.
  @Test(arguments: [ElementType.f32, .bf16, .int8])
  func theDeltaRunsBesideTheBase(_ elementType: ElementType) throws {
    let fixture = try TrainingFixture(elementType: elementType)
    let text = TrainingFixture.text(windows: 3)
    let (delta, record) = try fixture.trainedDelta(
      LadderAdaptation(width: 4, blocks: 0..<2), steps: 4, validation: text)
    #expect(delta.entries.count == 2 * 4 + 1)
    #expect(delta.entries.allSatisfy { LadderTensor(name: $0.name)?.name == $0.name })
    let trained = try #require(record.validations.last)
    #expect(abs(try fixture.loss(of: text, deltas: [delta]) / trained - 1) < 1e-6)
    #expect(abs(try fixture.loss(of: text) / trained - 1) > 1e-4)
    #expect {
      try DeltaMerge(base: fixture.checkpoint, deltas: [(delta, 1)])
    } throws: { error in
      guard case CheckpointError.unsupported = error else { return false }
      return true
    }
    let scaled = try ModelWeights(fixture.checkpoint, deltas: [(delta, 0)])
    #expect(scaled.mergedBytes == 0)
  }

  /// Gradients enter the head's input and the ladder, and no map of the model's blocks.
  @Test func noGradientGoesThroughTheModel() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 1)
    let ladder = try fixture.step(
      LadderAdaptation(width: 4, blocks: 0..<2), settings, splitsPrefix: false)
    let full = try fixture.step(FullAdaptation(), settings, splitsPrefix: false)
    func backward(_ step: CompiledStep) -> [KernelCall] {
      step.training.program.calls.filter { $0.phase == .backward }
    }
    #expect(!backward(ladder).contains { $0.kernel.contains("attention") })
    #expect(backward(full).contains { $0.kernel.contains("attention") })
    let widest = fixture.configuration.hiddenWidth
    #expect(
      backward(ladder).compactMap(\.product).allSatisfy { max($0.n, $0.k) < widest })
  }

  private func delta(
    _ fixture: TrainingFixture, _ tensors: [(name: String, shape: Shape)]
  ) throws -> Delta {
    try DeltaWriter.write(
      to: fixture.folder["d"], base: fixture.checkpoint, method: [:], recipe: [:], metrics: [:],
      elementType: .f32,
      updates: tensors.map { name, shape in
        DeltaUpdate(
          name: name, content: .tensor(shape, .values([Float](repeating: 0, count: shape.count))))
      })
    return try Delta.open(fixture.folder["d"])
  }

  @Test func whatIsNoLadderIsRefused() throws {
    let fixture = try TrainingFixture()
    let width = fixture.configuration.width
    let shapes = LadderTensor.shapes(width: 4, modelWidth: width, layers: [1])
    let whole = shapes.map { ($0.key.name, $0.value) }
    func open(_ tensors: [(String, Shape)]) throws -> ModelWeights {
      try ModelWeights(
        fixture.checkpoint, deltas: [(try delta(fixture, tensors.map { ($0.0, $0.1) }), 1)])
    }
    _ = try open(whole)
    var wrong: [[(String, Shape)]] = [[("other", [2, 2])], whole + [("other", [2, 2])]]
    for index in whole.indices {
      var missing = whole
      missing.remove(at: index)
      var reshaped = whole
      reshaped[index].1 = Shape(reshaped[index].1.extents.map { $0 + 1 })
      wrong += [missing, reshaped]
    }
    let above = LadderTensor.shapes(width: 4, modelWidth: width, layers: [1, 2])
    wrong.append(above.map { ($0.key.name, $0.value) })
    for tensors in wrong {
      #expect(throws: CheckpointError.self) { try open(tensors) }
    }
  }
}
