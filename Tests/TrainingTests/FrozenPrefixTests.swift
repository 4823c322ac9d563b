import Adaptations
import Datasets
import Execution
import Programs
import Tensors
import TestSupport
import Testing
import Training

/// A step cut at the deepest tensor that trains gives the figures of the uncut one, bit for bit.
@Suite struct FrozenPrefixTests {
  /// Methods by name, with the lowest blocks of four that they leave frozen.
  static let frozenBlocks = [
    "full": 0, "norms": 0, "embedding": 0, "lowest block": 0, "none": 0, "whole tensors": 2,
    "row shares": 1, "upper lora": 2, "last_layers": 3, "norm alone": 4,
  ]
  static let split = frozenBlocks.filter { $0.value > 0 }.map(\.key).sorted()

  /// Products by tiles everywhere, as in frozen blocks.
  static func fixture(_ type: ElementType = .f32, tiedHead: Bool = true) throws -> TrainingFixture {
    var fixture = try TrainingFixture(
      TinyModel.configuration(layers: 4, tiedHead: tiedHead), elementType: type)
    fixture.kernels.tuner = ProductTuner(.fixed(.tiles))
    return fixture
  }

  static func adaptation(_ name: String, _ fixture: TrainingFixture) -> any Adaptation {
    switch name {
    case "full": FullAdaptation()
    case "norms": NormsAdaptation()
    case "none": NoAdaptation()
    case "embedding": SparseAdaptation(scheme: ["embedding": 0.5, "layers[3].mlp.up": 1])
    case "lowest block":
      SparseAdaptation(scheme: ["layers[0].mlp.down": 0.5, "layers[3].mlp.up": 1])
    case "whole tensors":
      SparseAdaptation(scheme: ["layers[2].mlp.up": 1, "layers[3].attention.output": 1])
    case "row shares":
      SparseAdaptation(
        scheme: ["layers[1].mlp.down": 0.34, "layers[3].attention.query": 0.5, "norm": 1])
    case "upper lora":
      LoRAAdaptation(
        rank: 4, alpha: 8,
        targets: Set(
          fixture.configuration.parameters.map(\.name).filter {
            $0.hasPrefix("layers[2].attention.") || $0.hasPrefix("layers[3].mlp.")
          }.filter { !$0.hasSuffix("norm") }))
    case "last_layers": LastLayersAdaptation(count: 1, layers: 4)
    default: SparseAdaptation(scheme: ["norm": 1])
    }
  }

  @Test func frozenBlocksAreFound() throws {
    let fixture = try Self.fixture()
    let settings = TrainingFixture.settings(steps: 1)
    for (name, expected) in Self.frozenBlocks {
      let adaptation = Self.adaptation(name, fixture)
      let step = try fixture.step(adaptation, settings)
      let whole = try fixture.step(adaptation, settings, splitsPrefix: false)
      #expect(step.frozenBlocks == expected && (step.prefix != nil) == (expected > 0), "\(name)")
      #expect(whole.frozenBlocks == 0 && whole.prefix == nil)
      // The parts are the whole, and the weights of both are counted once.
      #expect(step.flopsPerToken == whole.flopsPerToken, "\(name)")
      #expect(step.mappedWeightBytes == whole.mappedWeightBytes, "\(name)")
      #expect(step.trainableParameters == whole.trainableParameters)
      // The cut costs the residual stream at most twice: where it is made and where it is read.
      let stream = 4 * settings.shape.tokensPerStep * step.width
      #expect(step.arenaBytes(threads: 2) <= whole.arenaBytes(threads: 2) + 2 * stream, "\(name)")
      if expected == 0 { #expect(step.training.program == whole.training.program) }
    }
    let untied = try Self.fixture(tiedHead: false)
    let head = try untied.step(SparseAdaptation(scheme: ["head": 1]), settings)
    #expect(head.frozenBlocks == 4)
  }

  /// What is the same in two runs of one method.
  static func expectSame(_ one: RunRecord, _ two: RunRecord, _ name: String) {
    #expect(one.losses == two.losses, "\(name)")
    #expect(one.steps.map(\.gradientNorm) == two.steps.map(\.gradientNorm), "\(name)")
    #expect(one.validations == two.validations, "\(name)")
    func state(_ record: RunRecord) -> [String: [UInt32]] {
      Dictionary(
        uniqueKeysWithValues: record.session.stateBuffers.map {
          ($0.name, $0.values.map(\.bitPattern))
        })
    }
    #expect(state(one) == state(two), "\(name)")
  }

  @Test(arguments: split, [(1, nil), (3, 0.05)] as [(Int, Double?)])
  func figuresAreThoseOfTheWholeStep(name: String, _ policy: (Int, Double?)) throws {
    for type in [ElementType.f32, .bf16, .int8] {
      let fixture = try Self.fixture(type)
      let adaptation = Self.adaptation(name, fixture)
      let settings = TrainingFixture.settings(
        steps: 6, windows: 3, accumulation: policy.0, clipNorm: policy.1, validateEvery: 2)
      // The validation text ends in a partial window, and in a batch with a cleared row.
      let ids = (0..<50).map { Int32($0 * $0 % 19 + 1) }
      let validation = TokenStream(ids: ids, documentStarts: [0, 20], bytes: 50)
      let runs = try [true, false].map {
        try fixture.train(adaptation, settings, validation: validation, splitsPrefix: $0)
      }
      #expect(runs[0].session.prefixRuns > 0 && runs[1].session.prefixRuns == 0)
      Self.expectSame(runs[0], runs[1], "\(name), \(type)")
    }
  }

  /// In f32 frozen blocks are by tiles whatever the rest is by, since a library's sums may depend on a
  /// window's row.
  @Test func frozenBlocksAreByTiles() throws {
    var fixture = try Self.fixture()
    for tuner in [nil, ProductTuner(.fixed(.openBLAS)), ProductTuner(.measured)] {
      fixture.kernels.tuner = tuner
      let session = try fixture.session(
        Self.adaptation("last_layers", fixture), TrainingFixture.settings(steps: 1))
      let backends = session.programs.map { program in
        Set(program.calls.compactMap { $0.variant?.backend })
      }
      #expect(backends == [[.openBLAS], [.openBLAS], [.tiles]])
    }
  }

  @Test func headAloneTrains() throws {
    let fixture = try Self.fixture(tiedHead: false)
    let settings = TrainingFixture.settings(steps: 5)
    let runs = try [true, false].map {
      try fixture.train(
        SparseAdaptation(scheme: ["head": 1]), settings,
        validation: TrainingFixture.text(windows: 3), splitsPrefix: $0)
    }
    Self.expectSame(runs[0], runs[1], "head")
  }

  /// The prefix is forward work, whether or not something is kept.
  @Test func prefixCountsAsForward() throws {
    let fixture = try Self.fixture()
    let record = try fixture.train(
      Self.adaptation("norm alone", fixture), TrainingFixture.settings(steps: 3))
    for step in record.steps {
      let phases = step.phases
      #expect(phases.forward > phases.update)
      let sum = phases.data + phases.forward + phases.backward + phases.update
      #expect(sum <= step.seconds)
    }
  }
}
