import Adaptations
import Compilation
import Datasets
import Execution
import Recipes
import Records
import Runs
import Tensors
import TestSupport
import Testing
import Training

/// What matmuls multiply where nothing is trained.
@Suite struct ModelPrecisionTests {
  private func score(
    _ fixture: RunsFixture, _ precision: PrecisionChoice,
    shape: BatchShape = BatchShape(windows: 4, tokens: 32)
  ) throws -> EvaluationRecord {
    let model = try LoadedModel(fixture.model, threads: 2, precision: precision)
    return try TextEvaluation(model, shape: shape).score([fixture.folder["text.txt"]])
  }

  /// f32 is what a pass by OpenBLAS gives, to the last bit, at shapes that a tuner would time.
  @Test(arguments: [ElementType.f32, .bf16, .int8])
  func f32IsOpenBLAS(_ type: ElementType) throws {
    let fixture = try RunsFixture(elementType: type)
    let shape = BatchShape(windows: 64, tokens: 32)
    let model = try LoadedModel(fixture.model, threads: 2, precision: .f32)
    let step = try CompiledStep(
      model.weights.configuration, adaptation: NoAdaptation(), optimizer: .sgd(SGD()),
      clipNorm: nil, shape: shape, elementType: model.weights.elementType)
    let session = try Session(
      step, weights: model.weights, pool: try WorkerPool(threads: 2),
      kernels: try Kernels.forThisMachine(), seed: 0)
    let corpus = try Corpus.prepare(
      train: [fixture.folder["text.txt"]], validation: .none, sequenceLength: 1, separator: nil,
      appendEOS: false, tokenizer: model.tokenizer, cacheFolder: fixture.folder.path)
    let expected = Evaluator(session, text: corpus.train).meanLoss()
    let found = try score(fixture, .f32, shape: shape)
    #expect(found.loss == expected && found.precision == "f32")
  }

  /// Where nothing is trained, nothing is measured either: `auto` is bf16 where the CPU has
  /// instructions for it.
  @Test(arguments: [ElementType.f32, .bf16, .int8])
  func autoIsBF16(_ type: ElementType) throws {
    let fixture = try RunsFixture(elementType: type)
    let record = try score(fixture, .auto)
    #expect(record.precision == (try Kernels.forThisMachine().multipliesBF16 ? "bf16" : "f32"))
    let wide = try score(fixture, .f32)
    #expect(abs(record.loss / wide.loss - 1) < 5e-3)
    #expect(record.tokens == wide.tokens)
  }

  /// Each precision on each type of weights; the bounds are those of training.
  @Test(arguments: [ElementType.f32, .bf16, .int8], [PrecisionChoice.bf16, .int8])
  func staysNearF32(_ type: ElementType, _ precision: PrecisionChoice) throws {
    let fixture = try RunsFixture(elementType: type)
    let (narrow, wide) = (try score(fixture, precision), try score(fixture, .f32))
    #expect(narrow.loss != wide.loss && narrow.precision == precision.rawValue)
    #expect(abs(narrow.loss / wide.loss - 1) < (precision == .int8 ? 1e-2 : 5e-3))
  }

  /// A run's sample is what `generate` makes of the same prompt.
  @Test(arguments: [PrecisionChoice.auto, .f32], [ElementType.bf16, .int8])
  func samplesAreWhatGenerateGives(_ precision: PrecisionChoice, _ type: ElementType) throws {
    let fixture = try RunsFixture(elementType: type)
    let events = try fixture.train(
      #"run.sample={"prompt": "the cat", "max_tokens": 12, "temperature": 1, "top_p": 1}"#,
      "run.precision=\(precision.rawValue)", "run.products=auto"
    ).events
    let samples = events.compactMap { event in
      if case .sample(_, _, let text) = event { text } else { nil }
    }
    let texts = try [[], [fixture.folder["run/best/trained.sfdelta"]]].map { deltas in
      let model = try LoadedModel(
        fixture.model, deltas: deltas, threads: 2, precision: precision)
      return try TextSampler(model).text(
        after: "the cat", maxTokens: 12, temperature: 1, topP: 1, seed: 1)
    }
    #expect(samples == texts)
  }
}
