import Adaptations
import Checkpoints
import Compilation
import Models
import Operations
import Programs
import Tensors
import TestSupport
import Testing

@testable import Training

/// Trained matrices in int8, without a copy in floats.
@Suite struct IntegerParameterTests {
  static let rules: [Optimizer] =
    [MomentType.f32, .bf16, .int8, .int4].map {
      .adamW(AdamW(weightDecay: 0.01, stateType: $0, parameterType: .int8))
    } + [
      .sgd(SGD(momentum: 0, parameterType: .int8)),
      .sgd(SGD(momentum: 0.9, weightDecay: 0.01, parameterType: .int8)),
      .sgd(
        SGD(momentum: 0.9, parameterType: .int8, integerStep: IntegerStep(carriesError: true))),
    ]

  private static func floats(_ rule: Optimizer) -> Optimizer {
    var rule = rule
    rule.parameterType = .f32
    return rule
  }

  private static func rate(_ rule: Optimizer) -> Double {
    if case .sgd(let rule) = rule { rule.momentum > 0 ? 0.05 : 0.3 } else { 1e-2 }
  }

  private static func state(_ session: Session) -> [String: [UInt32]] {
    Dictionary(
      session.stateBuffers.map { ($0.name, $0.values.map(\.bitPattern)) },
      uniquingKeysWith: { first, _ in first })
  }

  /// Integers and scales are saved and read as they are, and the run goes on to the bit; so does
  /// another one.
  @Test(arguments: rules.indices, [TestMethod.full, .rows, .lora, .tinyTL, .headRows])
  func aResumedRunIsTheSame(_ index: Int, _ method: TestMethod) throws {
    for (precision, type) in [(ProductPrecision.f32, ElementType.f32), (.int8, .int8)] {
      let fixture = try TrainingFixture(elementType: type)
      let rule = Self.rules[index]
      let settings = TrainingFixture.settings(
        steps: 6, optimizer: rule, learningRate: Self.rate(rule), precision: precision)
      let adaptation = fixture.adaptation(method)
      let whole = try fixture.train(adaptation, settings)
      let again = try fixture.train(adaptation, settings)
      #expect(whole.losses == again.losses)
      let store = try fixture.store("run")
      let first = try fixture.train(adaptation, settings, store: store, stopAfter: 3)
      let rest = try fixture.train(adaptation, settings, store: store, resuming: true)
      #expect(first.losses + rest.losses == whole.losses)
      let states = [whole, again, rest].map { Self.state($0.session) }
      let areSame = states.allSatisfy { $0 == states[0] }
      #expect(areSame && states[0].keys.contains { $0.hasSuffix("].scales") })
    }
  }

  /// The integers' step does not depend on how rows are shared out.
  @Test(arguments: rules.indices)
  func threadsGiveTheSameIntegers(_ index: Int) throws {
    func run(threads: Int) throws -> (losses: [Double], state: [String: [UInt32]]) {
      let fixture = try TrainingFixture(threads: threads)
      let rule = Self.rules[index]
      let settings = TrainingFixture.settings(
        steps: 4, optimizer: rule, learningRate: Self.rate(rule), precision: .bf16)
      let record = try fixture.train(FullAdaptation(), settings)
      return (record.losses, Self.state(record.session))
    }
    let (one, two) = (try run(threads: 1), try run(threads: 2))
    let isSame = one.state == two.state
    #expect(one.losses == two.losses && isSame)
  }

  /// A state of floats is not taken for one of integers, nor the other way round.
  @Test func statesOfOtherTypesAreRefused() throws {
    let fixture = try TrainingFixture()
    let rules = [Self.rules[0], Self.floats(Self.rules[0])]
    for (saved, resumed) in [(rules[0], rules[1]), (rules[1], rules[0])] {
      let store = try fixture.store("run")
      _ = try fixture.train(
        FullAdaptation(), TrainingFixture.settings(steps: 4, optimizer: saved), store: store,
        stopAfter: 2)
      #expect {
        try fixture.train(
          FullAdaptation(), TrainingFixture.settings(steps: 4, optimizer: resumed), store: store,
          resuming: true)
      } throws: { error in
        guard case TrainingError.resumeMismatch(_, let field, _, _) = error else { return false }
        return field.contains("layers[") || field.contains("embedding")
      }
    }
  }

  /// Nothing but its gradient, while it is needed, is a copy of an int8 matrix in floats.
  @Test(arguments: [ProductPrecision.f32, .bf16, .int8], [ElementType.f32, .bf16, .int8])
  func noFloatCopyExists(_ precision: ProductPrecision, _ type: ElementType) throws {
    let fixture = try TrainingFixture(elementType: type)
    // 60 tokens: no activation has as many elements as a matrix.
    let settings = TrainingFixture.settings(
      steps: 1, windows: 5, optimizer: .sgd(SGD(momentum: 0, parameterType: .int8)),
      precision: precision)
    let step = try fixture.step(FullAdaptation(), settings)
    let buffers = step.programs.flatMap(\.buffers)
    let matrices = buffers.filter { $0.kind == .parameter && $0.elements == .int8 }
    let expected = fixture.configuration.parameters.filter(\.isMatrix)
    #expect(Set(matrices.map(\.byteCount)) == Set(expected.map(\.shape.count)))
    #expect(Set(matrices.map(\.name)).count == expected.count)
    for matrix in matrices {
      for buffer in buffers where buffer.kind != .gradient {
        let bytes = matrix.byteCount
        let isCopy =
          buffer.elements == .f32 && buffer.byteCount == 4 * bytes
          || buffer.elements == .bf16 && buffer.byteCount == 2 * bytes
        #expect(!isCopy, "\(buffer.name) beside \(matrix.name)")
      }
      #expect(step.training.program.buffers.contains { $0.name == matrix.scalesName })
    }
    let gradients = buffers.filter { $0.kind == .gradient }
    #expect(!gradients.isEmpty && !gradients.contains(where: \.isPersistent))
    #expect(step.mappedWeightBytes == 0)
    let vectors = fixture.configuration.parameters.filter { !$0.isMatrix }
    let rows = expected.reduce(0) { $0 + aligned(4 * $1.shape[0]) }
    let elements = expected.reduce(0) { $0 + aligned($1.shape.count) }
    let floats = vectors.reduce(0) { $0 + aligned(4 * $1.shape.count) }
    #expect(step.training.memory.parameters == elements + rows + floats)
  }

  /// Weights and state take a byte for each trained weight, three with momentum, and the rows'
  /// scales.
  @Test func itTakesAByteForEachWeight() throws {
    let fixture = try TrainingFixture(
      TinyModel.configuration(
        width: 128, hiddenWidth: 256, queryHeads: 4, keyValueHeads: 4, headWidth: 32))
    for (momentum, limit) in [(0, 1.1), (0.9, 3.1)] {
      let settings = TrainingFixture.settings(
        steps: 1, optimizer: .sgd(SGD(momentum: momentum, parameterType: .int8)))
      let step = try fixture.step(FullAdaptation(), settings)
      let memory = step.training.memory
      let bytes = Double(memory.parameters + memory.optimizer) / Double(step.trainableParameters)
      #expect(bytes <= limit && bytes > limit - 0.1, "\(bytes)")
    }
  }

  /// Where steps are too small for nearest rounding, their errors add up in the momentum until they move
  /// integers.
  @Test func carriedErrorsMoveWhatNearestRoundingLoses() throws {
    let fixture = try TrainingFixture()
    func fall(_ type: ElementType, _ step: IntegerStep = IntegerStep()) throws -> Double {
      let losses = try fixture.train(
        FullAdaptation(),
        TrainingFixture.settings(
          steps: 200,
          optimizer: .sgd(SGD(momentum: 0.9, parameterType: type, integerStep: step)),
          learningRate: 2e-3)
      ).losses
      return losses[0] - losses[losses.count - 1]
    }
    let full = try fall(.f32)
    let lost = try fall(.int8, IntegerStep(rounding: .nearest))
    let carried = try fall(.int8, IntegerStep(rounding: .nearest, carriesError: true))
    #expect(lost < 0.25 * full && carried > 2 * lost, "\(lost), \(carried), \(full)")
  }

  /// A matrix starts within half of a scale that leaves a quarter of room; one in int8 starts as it
  /// is.
  @Test func matricesStartFromTheCheckpoint() throws {
    let settings = TrainingFixture.settings(steps: 1, optimizer: Self.rules[4])
    for type in [ElementType.f32, .bf16, .int8] {
      let fixture = try TrainingFixture(elementType: type)
      let session = try fixture.session(FullAdaptation(), settings)
      let parameters = session.parameters
      for (name, found) in parameters {
        let tensor = try #require(fixture.checkpoint.tensor(name))
        let values = tensor.widened()
        guard tensor.shape.rank == 2, type != .int8 else {
          #expect(found == values, "\(name)")
          continue
        }
        for row in 0..<tensor.rowCount {
          let part = row * tensor.rowWidth..<(row + 1) * tensor.rowWidth
          let scale = 1.25 * values[part].reduce(0) { max($0, $1.magnitude) } / 127
          let error = zip(found[part], values[part]).map { abs($0 - $1) }.max() ?? 0
          #expect(error <= 0.5001 * scale && error > 0, "\(name)")
        }
      }
    }
  }

  /// Rows of zeros can learn, also where all of the matrix is zeros.
  @Test(arguments: [ElementType.f32, .int8], [0, 3])
  func rowsOfZerosLearn(_ type: ElementType, _ rule: Int) throws {
    let names = ["layers[1].mlp.up", "layers[0].attention.output"]
    let fixture = try TrainingFixture(elementType: type) { weights, _ in
      for index in 32..<96 { weights[names[0]]?[index] = 0 }
      weights[names[1]] = weights[names[1]]?.map { _ in 0 }
    }
    let rule = Self.rules[rule == 0 ? 0 : 5]
    let settings = TrainingFixture.settings(
      steps: 8, optimizer: rule, learningRate: Self.rate(rule))
    let record = try fixture.train(FullAdaptation(), settings)
    let wide = try fixture.train(
      FullAdaptation(),
      TrainingFixture.settings(
        steps: 8, optimizer: Self.floats(rule), learningRate: Self.rate(rule)))
    for (name, part) in [(names[0], 32..<96), (names[1], 0..<1024)] {
      let found = try #require(record.session.parameters[name])[part]
      let expected = try #require(wide.session.parameters[name])[part]
      func norm(_ values: ArraySlice<Float>) -> Double {
        values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      }
      let ratio = norm(found) / norm(expected)
      #expect(abs(ratio - 1) < 0.3, "\(name) \(ratio)")
    }
  }

  /// Nearly the losses of f32, at f32's learning rate.
  @Test(arguments: rules.indices, [ProductPrecision.f32, .int8])
  func itLearnsTheSame(_ index: Int, _ precision: ProductPrecision) throws {
    let fixture = try TrainingFixture()
    func losses(_ rule: Optimizer) throws -> [Double] {
      let settings = TrainingFixture.settings(
        steps: 12, optimizer: rule, learningRate: Self.rate(rule), precision: precision)
      return try fixture.train(FullAdaptation(), settings).losses
    }
    let (narrow, wide) = (
      try losses(Self.rules[index]), try losses(Self.floats(Self.rules[index]))
    )
    // Observed: 3.2e-2 with int8 products.
    for (a, b) in zip(narrow, wide) { #expect(abs(a / b - 1) < 5e-2, "\(a) \(b)") }
    #expect(wide[11] < wide[0] - 0.3 && narrow[11] < narrow[0] - 0.3, "\(narrow) \(wide)")
    #expect(narrow != wide)
  }

  /// Steps far below half of a scale add up when they are rounded at random, and are lost when
  /// rounded to the nearest integer; cut towards zero, they pull all weights there. Without
  /// scaling, steps along the gradient by integers are smaller by the square of the scale.
  @Test func smallChangesAddUp() throws {
    let fixture = try TrainingFixture(elementType: .int8)
    func changes(_ optimizer: Optimizer) throws -> [Float] {
      let settings = TrainingFixture.settings(
        steps: 10, optimizer: optimizer, learningRate: 1e-4, warmupSteps: 0)
      let parameters = try fixture.train(FullAdaptation(), settings).session.parameters
      return parameters.sorted { $0.key < $1.key }.flatMap { name, values -> [Float] in
        guard let tensor = fixture.checkpoint.tensor(name), tensor.shape.rank == 2 else {
          return []
        }
        return zip(values, tensor.widened()).map { $0 - $1 }
      }
    }
    func integers(_ step: IntegerStep) throws -> [Float] {
      try changes(.adamW(AdamW(parameterType: .int8, integerStep: step)))
    }
    let wide = try changes(.adamW(AdamW()))
    let moved = wide.reduce(0.0) { $0 + Double($1.magnitude) }
    func along(_ narrow: [Float]) -> Double {
      zip(narrow, wide).reduce(0.0) { $0 + Double($1.1 < 0 ? -$1.0 : $1.0) } / moved
    }
    let stochastic = along(try integers(IntegerStep()))
    let nearest = along(try integers(IntegerStep(rounding: .nearest)))
    #expect(abs(stochastic - 1) < 0.2 && abs(nearest) < 0.05, "\(stochastic) \(nearest)")
    let truncated = try integers(IntegerStep(rounding: .truncate))
    let start = fixture.checkpoint.tensors.filter { $0.shape.rank == 2 }
      .sorted { $0.name < $1.name }.flatMap { $0.widened() }
    let shrunk = zip(truncated, start).reduce(0.0) {
      $0 + Double($1.1 < 0 ? $1.0 : -$1.0)
    }
    #expect(shrunk > 3 * moved, "\(shrunk) \(moved)")
    let plain = along(try integers(IntegerStep(compensatesScale: false)))
    #expect(abs(plain) < 0.02, "\(plain)")
  }

  /// A row that has filled its integers gets a larger scale, and weights go on growing.
  @Test func fullRowsGetNewScales() throws {
    let fixture = try TrainingFixture(elementType: .int8)
    let settings = TrainingFixture.settings(
      steps: 10, optimizer: Self.rules[0], learningRate: 3e-2, warmupSteps: 0)
    let session = try fixture.train(FullAdaptation(), settings).session
    let scales = Dictionary(
      session.stateBuffers.map { ($0.name, $0.values) }, uniquingKeysWith: { first, _ in first })
    var (grown, kept) = (0, 0)
    for tensor in fixture.checkpoint.tensors {
      guard let before = tensor.scales else { continue }
      let name = try #require(
        session.trainedTensors.first { $0.name.hasPrefix("\(tensor.name)[") }
      ).name
      let after = try #require(scales[name + ".scales"])
      #expect(after.count == before.count)
      for (new, old) in zip(after, before) {
        #expect(new >= old)
        if new > old { grown += 1 } else { kept += 1 }
      }
      let largest = try #require(scales[name]).map(\.magnitude).max() ?? 0
      #expect(largest <= 127)
    }
    #expect(grown > 20 && kept > 0, "\(grown) \(kept)")
  }

  /// Gradients that go through matrices that are trained in int8 are those that go through the same
  /// matrices frozen, as the checkpoint maps them.
  @Test(arguments: [ProductPrecision.f32, .bf16, .int8])
  func gradientsAreThoseOfFrozenMatrices(_ precision: ProductPrecision) throws {
    let fixture = try TrainingFixture(elementType: .int8)
    func gradients(_ adaptation: some Adaptation, _ rule: SGD) throws -> [String: [Float]] {
      let settings = TrainingFixture.settings(
        steps: 1, optimizer: .sgd(rule), clipNorm: nil, precision: precision)
      let session = try fixture.train(adaptation, settings).session
      let momenta = session.stateBuffers.filter {
        $0.name.hasSuffix(".momentum") && $0.name.contains("norm")
      }
      return Dictionary(
        momenta.map { ($0.name, $0.values) }, uniquingKeysWith: { first, _ in first })
    }
    // What momentum holds after its first step is the gradient itself.
    let frozen = try gradients(NormsAdaptation(), SGD())
    let trained = try gradients(FullAdaptation(), SGD(parameterType: .int8))
    #expect(frozen.count == 5 && frozen == trained)
  }
}
