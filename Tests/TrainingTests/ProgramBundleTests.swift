import Adaptations
import Compilation
import Datasets
import Execution
import Operations
import Programs
import Storage
import Tensors
import TestSupport
import Testing
import Weights

@testable import Training

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Programs that are written as data, read back and run without the compiler.
@Suite struct ProgramBundleTests {
  private let steps = 4
  private let optimizer = Optimizer.adamW(AdamW(weightDecay: 0.1))
  private let text = TrainingFixture.text(windows: 40)

  /// Losses and gradient norms of some steps, and of a validation behind them.
  private struct Figures: Equatable {
    var losses: [Double] = []
    var norms: [Double] = []
    var score = 0.0
  }

  @Test(arguments: [TestMethod.full, .rows, .lora, .headRows], ProductPrecision.plain)
  func aBundleThatIsReadBackRunsTheSame(method: TestMethod, precision: ProductPrecision) throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(
      steps: steps, accumulation: 2, optimizer: optimizer, precision: precision)
    let step = try fixture.step(fixture.adaptation(method), settings, splitsPrefix: false)
    let expected = try run(step, of: fixture)

    let folder = try TemporaryFolder()
    let bytes = Array(try JSONEncoder().encode(step.bundle))
    try folder.write(bytes, to: "bundle.json")
    let read = try JSONDecoder().decode(
      ProgramBundle.self, from: Data(try folder.read("bundle.json")))
    #expect(read == step.bundle)
    #expect(read[.training]?.description == step.training.program.description)
    let found = try run(read, shape: step.shape, of: fixture)
    #expect(found == expected)
    #expect(Set(found.losses).count == steps * 2)
  }

  /// The steps as a session runs them.
  private func run(_ step: CompiledStep, of fixture: TrainingFixture) throws -> Figures {
    let session = try Session(
      step, weights: try ModelWeights(fixture.checkpoint), pool: fixture.pool,
      kernels: fixture.kernels, seed: 3)
    var figures = Figures()
    let shape = step.shape
    for number in 1...steps {
      session.beginStep(
        learningRate: 1e-2, optimizer: optimizer, step: number,
        scoredTokens: session.step.shape.tokensPerStep)
      for batch in 0..<shape.accumulation {
        for row in 0..<shape.windows {
          session.fill(row: row, from: text, window: window(number, batch, row, shape))
        }
        figures.losses.append(session.runMicroBatch())
      }
      figures.norms.append(session.finishStep())
    }
    figures.score = session.score()
    return figures
  }

  private func window(_ step: Int, _ batch: Int, _ row: Int, _ shape: BatchShape) -> Int {
    (((step - 1) * shape.accumulation + batch) * shape.windows + row) % 40
  }

  /// The same steps with nothing but the bundle and the checkpoint.
  private func run(
    _ bundle: ProgramBundle, shape: BatchShape, of fixture: TrainingFixture
  ) throws -> Figures {
    let bound = try BoundBundle(
      bundle, pool: fixture.pool, kernels: fixture.kernels,
      weights: try ModelWeights(fixture.checkpoint))
    let (training, validation) = (try bound.program(.training), try bound.program(.validation))
    training.initialise(seed: 3)
    let memory = try BatchMemory(training, below: nil)
    let inputs = try UpdateInputs(training)
    let losses = try training.memory(of: .loss)
    var figures = Figures()
    for number in 1...steps {
      let corrections = optimizer.corrections(step: number)
      inputs.hyper[HyperSlot.learningRate] = 1e-2
      inputs.hyper[HyperSlot.firstCorrection] = Float(corrections.first)
      inputs.hyper[HyperSlot.secondCorrection] = Float(corrections.second)
      inputs.hyper[HyperSlot.clipScale] = 1
      inputs.hyper[HyperSlot.step] = Float(number)
      inputs.lossScale[0] = 1 / Float(shape.tokensPerStep)
      training.run(.begin)
      for batch in 0..<shape.accumulation {
        for row in 0..<shape.windows {
          memory.fill(
            row: row, tokens: shape.tokens, from: text, window: window(number, batch, row, shape))
        }
        training.run(.body)
        figures.losses.append(losses.reduce(0) { $0 + Double($1) })
      }
      training.run(.finish)
      figures.norms.append(Double(inputs.hyper[HyperSlot.gradientNorm]))
    }
    validation.run(.begin)
    validation.run(.body)
    figures.score = try validation.memory(of: .loss).reduce(0) { $0 + Double($1) }
    return figures
  }

  /// Frozen blocks are a program of the bundle, whose floats only tiles may multiply.
  @Test func frozenBlocksAreInTheBundle() throws {
    let fixture = try TrainingFixture()
    let adaptation = SparseAdaptation(scheme: ["layers[1].mlp.up": 1])
    for precision in [ProductPrecision.f32, .bf16] {
      let settings = TrainingFixture.settings(steps: 1, precision: precision)
      let bundle = try fixture.step(adaptation, settings).bundle
      #expect(bundle.programs.map(\.role) == [.training, .prefix, .validation])
      #expect(bundle.programs.map(\.backend) == [nil, precision == .f32 ? .tiles : nil, nil])
      #expect(bundle[.prefix]?.port(named: "prefix")?.role == .output)
      #expect(bundle[.training]?.port(named: "prefix")?.role == .input)
      let names = bundle.shared.map(\.name)
      #expect(names.contains("targets") && names.contains("rotary_cosine"))
      #expect(Set(names).count == names.count)
      #expect(
        bundle.kernels.allSatisfy { !$0.isEmpty } && bundle.kernels == bundle.kernels.sorted())
      #expect(bundle.kernels.contains("tiled_linear_weight_gradient") == (precision == .f32))
    }
  }

  @Test func whatTheBundleLacksIsNamed() throws {
    let fixture = try TrainingFixture()
    let step = try fixture.step(FullAdaptation(), TrainingFixture.settings(steps: 1))
    let weights = try ModelWeights(fixture.checkpoint)
    let bundle = ProgramBundle([.init(.validation, step.validation.program)])
    let bound = try BoundBundle(
      bundle, pool: fixture.pool, kernels: fixture.kernels, weights: weights)
    #expect(throws: ExecutionError.programMissing(role: "training")) {
      try bound.program(.training)
    }
    let validation = try bound.program(.validation)
    #expect(throws: ExecutionError.portMissing(name: "hyper")) { try UpdateInputs(validation) }
    #expect(throws: ExecutionError.portMissing(name: "prefix")) {
      try validation.memory(of: .prefix)
    }
  }
}

/// A bundle from elsewhere is checked before anything of it can run.
@Suite struct ProgramBundleDamageTests {
  private func bundle() throws -> ProgramBundle {
    let fixture = try TrainingFixture()
    return try fixture.step(FullAdaptation(), TrainingFixture.settings(steps: 1)).bundle
  }

  /// What reading says after a change of the written text, or of the programs.
  private func problem(
    _ bundle: ProgramBundle, _ from: String = "", _ to: String = ""
  ) throws -> String? {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    var text = String(decoding: try encoder.encode(bundle), as: UTF8.self)
    if !from.isEmpty, let range = text.firstRange(of: from) {
      text.replaceSubrange(range, with: to)
    }
    do {
      _ = try JSONDecoder().decode(ProgramBundle.self, from: Data(text.utf8))
      return nil
    } catch DecodingError.dataCorrupted(let context) {
      return context.debugDescription
    }
  }

  private func changed(
    _ bundle: ProgramBundle, _ change: (inout Program) -> Void
  ) -> ProgramBundle {
    var entries = bundle.programs
    change(&entries[0].program)
    return ProgramBundle(entries)
  }

  @Test func headsAreChecked() throws {
    let bundle = try bundle()
    #expect(try problem(bundle) == nil)
    #expect(
      try problem(bundle, "\"version\":1", "\"version\":2")
        == "version 2 of the format, expected 1")
    #expect(
      try problem(bundle, "\"kernels\":[", "\"kernels\":[\"abc\",")
        == "other kernels than the programs call")
    #expect(
      try problem(
        bundle, "\"arenaBytes\":\(bundle.arenaBytes),\"kernels\"", "\"arenaBytes\":64,\"kernels\"")
        == "64, but programs need \(bundle.arenaBytes)")
    #expect(
      try problem(ProgramBundle(bundle.programs + bundle.programs.prefix(1)))
        == "two programs of one role")
  }

  @Test func everythingIsInsideTheArena() throws {
    let all = try bundle()
    let grown = changed(all) { $0.buffers[0].byteCount += 4 }
    #expect(try problem(grown) == "programs disagree on a shared buffer's place")
    let training = ProgramBundle(Array(all.programs.prefix(1)))
    let outside = changed(training) { program in
      program.buffers[0].location = .arena(offset: program.arenaBytes)
    }
    let name = try #require(training[.training]?.buffers[0].name)
    #expect(try problem(outside)?.contains("'\(name)' is outside the arena") == true)
    let view = changed(training) { program in
      program.calls[0].buffers[0] = BufferView(buffer: program.buffers.count)
    }
    #expect(try problem(view)?.contains("is outside its buffers") == true)
    let items = changed(training) { $0.calls[0].grain = 0 }
    #expect(try problem(items)?.contains("can't be shared out") == true)
    let port = changed(training) { $0.ports[0].buffer = -1 }
    #expect(try problem(port)?.contains("has no buffer") == true)
  }

  /// A matmul's name with sizes that it does not have.
  @Test func productsAreReadAsTheyAreWritten() throws {
    let bundle = try bundle()
    let call = try #require(bundle[.training]?.calls.first { $0.product != nil })
    let name = "\"kernel\":\"\(call.kernel)\""
    #expect(try problem(bundle, name, "\"kernel\":\"tiled_linear_weight_gradient\"") != nil)
  }
}
