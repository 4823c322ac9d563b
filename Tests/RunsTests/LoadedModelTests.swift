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
