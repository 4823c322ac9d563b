import Adaptations
import Compilation
import Operations
import Programs
import Tensors
import TestSupport
import Testing
import Training

/// Trained parameters and moments in less than f32.
@Suite struct LowPrecisionStateTests {
  private static let types: [(state: MomentType, parameter: ElementType)] = [
    (.bf16, .f32), (.int8, .f32), (.f32, .bf16), (.bf16, .bf16), (.int8, .bf16), (.int4, .f32),
    (.int4, .bf16),
  ]

  private static func rule(_ index: Int) -> AdamW {
    AdamW(stateType: types[index].state, parameterType: types[index].parameter)
  }

  /// What is rounded is saved and read as it is, and the run goes on to the bit.
  @Test(arguments: types.indices, [TestMethod.full, .sparse, .lora])
  func aResumedRunIsTheSame(_ index: Int, _ method: TestMethod) throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(
      steps: 6, optimizer: .adamW(Self.rule(index)), precision: .bf16)
    let adaptation = fixture.adaptation(method)
    let whole = try fixture.train(adaptation, settings)
    let store = try fixture.store("run")
    let first = try fixture.train(adaptation, settings, store: store, stopAfter: 3)
    let rest = try fixture.train(adaptation, settings, store: store, resuming: true)
    #expect(first.losses + rest.losses == whole.losses)
  }

  /// Moments in eight or four bits are not bytes of weights.
  @Test(arguments: MomentType.allCases)
  func buffersSayWhatMomentsAre(_ type: MomentType) throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(
      steps: 1, optimizer: .adamW(AdamW(stateType: type)))
    let step = try fixture.step(FullAdaptation(), settings)
    let moments = step.training.program.buffers.filter { $0.name.hasSuffix("_moment") }
    let expected: BufferElement =
      switch type {
      case .f32: .f32
      case .bf16: .bf16
      case .int8, .int4: .momentCodes
      }
    #expect(!moments.isEmpty && moments.allSatisfy { $0.elements == expected })
  }

  /// Small tensors' moments stay f32, each tensor by its own size.
  @Test func smallTensorsKeepTheirMoments() throws {
    let fixture = try TrainingFixture()
    let fewest = 1024
    let settings = TrainingFixture.settings(
      steps: 1, optimizer: .adamW(AdamW(stateType: .int8, fewestRounded: fewest)))
    let step = try fixture.step(FullAdaptation(), settings)
    let moments = step.training.program.buffers.filter { $0.name.hasSuffix("_moment") }
    let types = Set(moments.map { $0.elements })
    #expect(types == [.f32, .momentCodes])
    for moment in moments {
      let isFloat = moment.elements == .f32
      let elements = isFloat ? moment.byteCount / 4 : moment.byteCount
      #expect(isFloat == (elements < fewest), "\(moment.name)")
    }
    let losses = try fixture.train(FullAdaptation(), settings).losses
    let areFinite = losses.allSatisfy { $0.isFinite }
    #expect(areFinite)
  }

  /// Fewer bytes, and nearly the same losses.
  @Test(arguments: types.indices)
  func itTakesLessAndLearnsTheSame(_ index: Int) throws {
    let fixture = try TrainingFixture()
    func run(_ rule: AdamW) throws -> (optimizer: Int, parameters: Int, losses: [Double]) {
      let settings = TrainingFixture.settings(steps: 12, optimizer: .adamW(rule))
      let record = try fixture.train(FullAdaptation(), settings)
      let memory = record.session.step.training.memory
      return (memory.optimizer, memory.parameters, record.losses)
    }
    let (wide, narrow) = (try run(AdamW()), try run(Self.rule(index)))
    let ratios: [MomentType: Double] = [.f32: 1, .bf16: 0.5, .int8: 0.25, .int4: 0.1875]
    // A byte's scale is 1/64 of a byte; gains and small tensors take whole lines of 64 bytes.
    let (state, parameter) = Self.types[index]
    let found = Double(narrow.optimizer) / Double(wide.optimizer)
    #expect(abs(found - (ratios[state] ?? 0)) < 0.04, "\(found)")
    let kept = Double(narrow.parameters) / Double(wide.parameters)
    #expect(abs(kept - Double(parameter.byteCount) / 4) < 0.03, "\(kept)")
    // Observed 6e-3, with a first moment of four bits 3.7e-2: blocks of 256 cover eight of these
    // short rows.
    let tolerance = state == .int4 ? 6e-2 : 1.5e-2
    for (a, b) in zip(narrow.losses, wide.losses) { #expect(abs(a / b - 1) < tolerance) }
    #expect(narrow.losses != wide.losses)
  }

  /// Random rounding loses no change on average: steps far below half of bf16's spacing, which
  /// rounding to nearest would undo every time, move parameters as far as f32 moves them.
  @Test func smallChangesAddUp() throws {
    let fixture = try TrainingFixture(elementType: .bf16)
    func changes(_ type: ElementType) throws -> [Float] {
      let settings = TrainingFixture.settings(
        steps: 10, optimizer: .adamW(AdamW(parameterType: type)), learningRate: 2e-5,
        warmupSteps: 0)
      let parameters = try fixture.train(FullAdaptation(), settings).session.parameters
      return parameters.sorted { $0.key < $1.key }.flatMap { name, values -> [Float] in
        guard let tensor = fixture.checkpoint.tensor(name), tensor.shape.rank == 2 else {
          return []
        }
        return zip(values, tensor.widened()).map { $0 - $1 }
      }
    }
    let (wide, narrow) = (try changes(.f32), try changes(.bf16))
    let moved = wide.reduce(0.0) { $0 + Double($1.magnitude) }
    let along = zip(narrow, wide).reduce(0.0) { $0 + Double($1.1 < 0 ? -$1.0 : $1.0) }
    // Observed 0.986; 0.026 if rounded to nearest.
    #expect(wide.count > 10_000 && abs(along / moved - 1) < 0.1, "\(along / moved)")
  }
}
