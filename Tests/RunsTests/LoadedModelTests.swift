import Checkpoints
import Records
import Runs
import TestSupport
import Testing
import Training

/// Scoring and generating text, in this process.
@Suite struct LoadedModelTests {
  @Test func scoresText() throws {
    let fixture = try RunsFixture()
    let model = try LoadedModel(fixture.model, threads: 2)
    func score(_ shape: BatchShape) throws -> EvaluationRecord {
      try TextEvaluation(model, shape: shape).score([fixture.folder["text.txt"]])
    }
    let record = try score(BatchShape(windows: 8, tokens: 32))
    #expect(record.tokens > 1000 && record.bytes > record.tokens && record.tokensPerSecond > 0)
    #expect(abs(record.loss - 6) < 0.5)
    let other = try score(BatchShape(windows: 3, tokens: 32))
    #expect(other.tokens == record.tokens && abs(other.loss - record.loss) < 1e-5)
  }

  /// A checkpoint with a weight that is no number, as earlier versions wrote them: the weight is named,
  /// not the learning rate.
  @Test func aBrokenWeightIsNamed() throws {
    let fixture = try RunsFixture()
    let sound = try Checkpoint.open(fixture.model)
    let name = "layers[1].mlp.up"
    try CheckpointWriter.write(
      to: fixture.model, configuration: sound.configuration, tokenizer: sound.tokenizer,
      elementType: .f32
    ) { (parameter) throws(CheckpointError) in
      var values = sound.tensor(parameter)?.widened() ?? []
      if parameter == name { values[2 * sound.configuration.width + 5] = .nan }
      return .values(values)
    }
    let model = try LoadedModel(fixture.model, threads: 2)
    #expect(model.weights.brokenWeight?.hasSuffix("has NaN in row 2, column 5 of \(name)") == true)
    let shape = BatchShape(windows: 2, tokens: 32)
    let attempts: [() throws -> Void] = [
      { _ = try TextEvaluation(model, shape: shape).score([fixture.folder["text.txt"]]) },
      {
        _ = try TextSampler(model).text(
          after: "the", maxTokens: 3, temperature: 0, topP: 1, seed: 0)
      },
      { _ = try fixture.train() },
    ]
    for attempt in attempts {
      let error = failure(attempt)
      let text = error?.description ?? ""
      #expect(error?.category == .badData)
      #expect(text.contains("NaN in row 2, column 5 of \(name)"), "\(text)")
      #expect(!text.contains("learning_rate"))
    }
    let whole = try RunsFixture()
    #expect(try LoadedModel(whole.model, threads: 2).weights.brokenWeight == nil)
  }

  @Test func scoringStopsWhenAsked() throws {
    let fixture = try RunsFixture()
    let model = try LoadedModel(fixture.model, threads: 2)
    var batches = 0
    #expect {
      try TextEvaluation(model, shape: BatchShape(windows: 2, tokens: 32)).score(
        [fixture.folder["text.txt"]],
        shouldStop: {
          batches += 1
          return batches > 3
        })
    } throws: { error in
      if case TrainingError.interrupted = error { true } else { false }
    }
    #expect(batches == 4)
  }

  @Test func deltasAreApplied() throws {
    let fixture = try RunsFixture()
    let summary = try fixture.train().summary
    let delta = fixture.folder["run/best/trained.sfdelta"]
    let shape = BatchShape(windows: 4, tokens: 32)
    let losses = try [[], [delta]].map { deltas in
      try TextEvaluation(
        try LoadedModel(fixture.model, deltas: deltas, threads: 2), shape: shape
      ).score([fixture.folder["text.txt"]]).loss
    }
    #expect(losses[1] < losses[0] && summary.reason == .finished)
  }

  @Test func generatesUntilAskedToStop() throws {
    let fixture = try RunsFixture()
    let sampler = TextSampler(try LoadedModel(fixture.model, threads: 2))
    func text(_ maxTokens: Int, stopAfter: Int = .max) throws -> (text: String, count: Int) {
      var (text, pieces) = ("", 0)
      let count = try sampler.stream(
        after: "the", maxTokens: maxTokens, temperature: 1, topP: 1, seed: 3
      ) { piece in
        text += piece
        pieces += 1
        return pieces < stopAfter
      }
      return (text, count)
    }
    let whole = try text(12)
    #expect(whole.count == 12)
    #expect(
      try sampler.text(after: "the", maxTokens: 12, temperature: 1, topP: 1, seed: 3) == whole.text)
    #expect(try text(12, stopAfter: 5).count == 5)
  }
}
