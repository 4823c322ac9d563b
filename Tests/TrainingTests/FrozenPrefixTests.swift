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
  static let split = FrozenPrefixMethod.allCases.filter { $0.frozenBlocks > 0 }

  /// Products by tiles everywhere, as in frozen blocks.
  static func fixture(_ type: ElementType = .f32, tiedHead: Bool = true) throws -> TrainingFixture {
    var fixture = try TrainingFixture(
      TinyModel.configuration(layers: 4, tiedHead: tiedHead), elementType: type)
    fixture.kernels.tuner = ProductTuner(.fixed(.tiles))
    return fixture
  }

  @Test func frozenBlocksAreFound() throws {
    let fixture = try Self.fixture()
    let settings = TrainingFixture.settings(steps: 1)
    for method in FrozenPrefixMethod.allCases {
      let adaptation = method.adaptation(fixture)
      let step = try fixture.step(adaptation, settings)
      let whole = try fixture.step(adaptation, settings, splitsPrefix: false)
      #expect(step.frozenBlocks == method.frozenBlocks, "\(method)")
      #expect(step.lowerStreams == method.lowerStreams, "\(method)")
      #expect((step.prefix != nil) == (method.frozenBlocks > 0), "\(method)")
      #expect(whole.frozenBlocks == 0 && whole.prefix == nil)
      // The parts are the whole, and the weights of both are counted once.
      #expect(step.flopsPerToken == whole.flopsPerToken, "\(method)")
      #expect(step.mappedWeightBytes == whole.mappedWeightBytes, "\(method)")
      #expect(step.trainableParameters == whole.trainableParameters)
      // The cut costs the residual stream at most twice: where it is made and where it is read; each of
      // the others once.
      let streams = (2 + method.lowerStreams.count) * 4 * settings.shape.tokensPerStep * step.width
      #expect(step.arenaBytes(threads: 2) <= whole.arenaBytes(threads: 2) + streams, "\(method)")
      if method.frozenBlocks == 0 { #expect(step.training.program == whole.training.program) }
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
  func figuresAreThoseOfTheWholeStep(method: FrozenPrefixMethod, _ policy: (Int, Double?)) throws {
    for type in [ElementType.f32, .bf16, .int8] {
      let fixture = try Self.fixture(type)
      let adaptation = method.adaptation(fixture)
      let settings = TrainingFixture.settings(
        steps: 6, windows: 3, accumulation: policy.0, clipNorm: policy.1, validateEvery: 2)
      // The validation text ends in a partial window, and in a batch with a cleared row.
      let ids = (0..<50).map { Int32($0 * $0 % 19 + 1) }
      let validation = TokenStream(ids: ids, documentStarts: [0, 20], bytes: 50)
      let runs = try [true, false].map {
        try fixture.train(adaptation, settings, validation: validation, splitsPrefix: $0)
      }
      #expect(runs[0].session.prefixRuns > 0 && runs[1].session.prefixRuns == 0)
      Self.expectSame(runs[0], runs[1], "\(method), \(type)")
    }
  }

  /// The same for every family, cut between local and global blocks too.
  @Test(arguments: FamilyCase.all.map { $0.with(layers: 4) })
  func everyFamilysFiguresAreThoseOfTheWholeStep(family: FamilyCase) throws {
    var fixture = try TrainingFixture(family.configuration)
    fixture.kernels.tuner = ProductTuner(.fixed(.tiles))
    for method in [FrozenPrefixMethod.wholeTensors, .lastLayer] {
      let adaptation = method.adaptation(fixture)
      let settings = TrainingFixture.settings(steps: 4, windows: 3, validateEvery: 2)
      let runs = try [true, false].map {
        try fixture.train(
          adaptation, settings, validation: TrainingFixture.text(windows: 2), splitsPrefix: $0)
      }
      #expect(runs[0].session.prefixRuns > 0 && runs[1].session.prefixRuns == 0)
      Self.expectSame(runs[0], runs[1], "\(method)")
    }
  }

  /// In f32 frozen blocks are by tiles whatever the rest is by, since a library's sums may depend on a
  /// window's row.
  @Test func frozenBlocksAreByTiles() throws {
    var fixture = try Self.fixture()
    for tuner in [nil, ProductTuner(.fixed(.openBLAS)), ProductTuner(.measured)] {
      fixture.kernels.tuner = tuner
      let session = try fixture.session(
        FrozenPrefixMethod.lastLayer.adaptation(fixture), TrainingFixture.settings(steps: 1))
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
      FrozenPrefixMethod.normAlone.adaptation(fixture), TrainingFixture.settings(steps: 3))
    for step in record.steps {
      let phases = step.phases
      #expect(phases.forward > phases.update)
      let sum = phases.data + phases.forward + phases.backward + phases.update
      #expect(sum <= step.seconds)
    }
  }
}
