import Adaptations
import Checkpoints
import Compilation
import Execution
import Records
import Tensors
import TestSupport
import Testing
import Training
import Weights

/// Planned bytes are allocated bytes.
@Suite struct MemoryTests {
  @Test(
    arguments: TestMethod.allCases.flatMap { method in
      [ElementType.f32, .bf16, .int8].map { (method, $0) }
    })
  func arenaIsThePlansSum(method: TestMethod, elementType: ElementType) throws {
    try expectPlan(TrainingFixture(elementType: elementType), method, .f32)
  }

  @Test(arguments: FamilyCase.all, ProductPrecision.plain)
  func everyFamilysArenaIsThePlansSum(family: FamilyCase, precision: ProductPrecision) throws {
    let fixture = try TrainingFixture(
      family.configuration, elementType: precision == .int8 ? .int8 : .bf16)
    for method in [TestMethod.full, .sparse, .rows, .lora, .norms] {
      try expectPlan(fixture, method, precision)
    }
  }

  private func expectPlan(
    _ fixture: TrainingFixture, _ method: TestMethod, _ precision: ProductPrecision
  ) throws {
    let settings = TrainingFixture.settings(steps: 3, accumulation: 2, precision: precision)
    let session = try fixture.session(fixture.adaptation(method), settings)
    let step = session.step
    let threads = fixture.pool.threads

    // These train nothing below the last block.
    let leavesBlocksFrozen = [TestMethod.rows, .lastLayers, .head, .headRows, .tinyTL, .ladder]
      .contains(
        method)
    #expect((step.prefix != nil) == leavesBlocksFrozen)
    for program in step.programs {
      // Every buffer lies in the arena, persistent ones of all programs before the others.
      #expect(program.persistentBytes == step.training.program.persistentBytes)
      for buffer in program.buffers {
        guard case .arena(let offset) = buffer.location else { continue }
        #expect(offset % 64 == 0, "\(buffer.name)")
        let end = offset + buffer.byteCount
        #expect(end <= program.arenaBytes, "\(buffer.name)")
        #expect((end <= program.persistentBytes) == buffer.isPersistent, "\(buffer.name)")
      }
    }
    let plan = step.training.memory
    #expect(plan.total - plan.mappedWeights == step.training.program.arenaBytes)
    let values = step.programs.map(\.arenaBytes).max() ?? 0
    let scratch = BoundProgram.scratchBytes(for: step.programs, threads: threads)
    #expect(step.arenaBytes(threads: threads) == aligned(values) + scratch)
    #expect(session.arenaBytes == step.arenaBytes(threads: threads))
    #expect(step.arenaBytes(threads: 4) >= step.arenaBytes(threads: 1))

    let forecast = MemoryForecast(step, threads: threads, runtimeBytes: 12_345)
    // What binding the programs takes is in it as well.
    #expect(forecast.total == MemoryForecast.bytes(of: step, threads: threads) + 12_345)
    let arenaAndWeights = session.arenaBytes + step.mappedWeightBytes
    let calls = step.programs.reduce(0) { $0 + $1.calls.count }
    #expect(forecast.total - 12_345 - arenaAndWeights >= 500 * calls)
    #expect(forecast.arena == session.arenaBytes && forecast.runtime == 12_345)
    #expect(forecast.workspace >= 12_345)
    #expect(forecast.optimizer == plan.optimizer && forecast.gradients == plan.gradients)
    #expect(try step.mappedWeightBytes == frozenBytes(session))
  }

  /// Bytes of what the checkpoint holds and the step does not train.
  private func frozenBytes(_ session: Session) throws -> Int {
    var trainedRows: [String: Int] = [:]
    for update in try session.deltaUpdates() {
      if case .rows(let rows, _) = update.content { trainedRows[update.name] = rows.count }
    }
    return session.checkpoint.tensors.reduce(0) { sum, tensor in
      let rowBytes = tensor.byteCount / tensor.rowCount
      return sum + (tensor.rowCount - (trainedRows[tensor.name] ?? 0)) * rowBytes
    }
  }

  /// Two moments per trained parameter, and nothing for what is frozen.
  @Test func optimizerStateIsThatOfTheTrainedParameters() throws {
    let fixture = try TrainingFixture()
    func plan(_ optimizer: Optimizer) throws -> (MemoryPlan, Int) {
      let settings = TrainingFixture.settings(steps: 1, optimizer: optimizer)
      let step = try fixture.step(fixture.adaptation(.sparse), settings)
      return (step.training.memory, step.trainableParameters)
    }
    let (adam, count) = try plan(.adamW(AdamW()))
    let (plain, _) = try plan(.sgd(SGD()))
    #expect(count == 48 * 32 + 32 * 32)
    #expect(adam.parameters == 4 * count)
    #expect(adam.optimizer == 8 * count)
    #expect(plain.optimizer == 4 * count)
  }

  /// No step moves or grows what the session holds.
  @Test func nothingMovesWhileTraining() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 5)
    let session = try fixture.session(FullAdaptation(), settings)
    func places() -> [UnsafeMutableRawPointer?] {
      session.stateBuffers.map { UnsafeMutableRawPointer(mutating: $0.address) } + [
        UnsafeMutableRawPointer(session.batch.tokens.baseAddress),
        UnsafeMutableRawPointer(session.batch.targets.baseAddress),
      ]
    }
    let before = (places(), session.arenaBytes)
    _ = try Trainer(
      session, settings: settings, text: TrainingFixture.text(windows: 4),
      validationText: TrainingFixture.text(windows: 2), store: nil, plannedBytes: 0,
      observe: { _ throws(TrainingError) in }
    ).run()
    #expect(places() == before.0 && session.arenaBytes == before.1)
  }

  @Test func probesChangeNoParameter() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(
      steps: 1, optimizer: .adamW(AdamW(weightDecay: 0.1)), learningRate: 1)
    let session = try fixture.session(fixture.adaptation(.rows), settings)
    let before = session.parameters
    let probe = StepProbe(session, settings: settings, text: TrainingFixture.text(windows: 2))
    let seconds = probe.secondsPerStep(repetitions: 2)
    #expect(seconds > 0 && seconds.isFinite)
    #expect(session.parameters == before)
  }

  @Test func trainableParametersAreCounted() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 1)
    let total = fixture.configuration.parameterCount
    let counts = try [
      TestMethod.full: total, .rows: 16 * 32 + 16 * 32 + 32, .norms: 5 * 32,
      .bias: 5 * 32 + 2 * (32 + 16 + 32 + 2 * 48 + 32),
      .tinyTL: 3 * 32 + (32 + 16 + 32 + 2 * 48 + 32) + 3 * 3 * 32,
      .ladder: 4 * 32 + 3 * 8 * 4 + 32 * 4,
    ]
    .map {
      (
        name: $0.key, expected: $0.value,
        step: try fixture.step(fixture.adaptation($0.key), settings)
      )
    }
    for count in counts {
      #expect(count.step.trainableParameters == count.expected, "\(count.name)")
      #expect(count.step.totalParameters == total)
    }
  }
}
