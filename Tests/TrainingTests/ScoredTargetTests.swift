import Adaptations
import Datasets
import Tensors
import TestSupport
import Testing
import Training
import Weights

/// A loss mask is nothing but targets of -1: every mean is over the targets that count.
@Suite struct ScoredTargetTests {
  private static let tokens = TrainingFixture.tokens

  /// The fixture's text with some targets that don't count: about a third, in windows of very
  /// different shares, or those that `counts` says.
  private static func masked(
    windows: Int, counts: ((Int) -> Bool)? = nil
  ) -> TokenStream {
    let text = TrainingFixture.text(windows: windows)
    var random = RandomSource(seed: 11)
    let scored = (0..<text.count).map { index in
      counts?(index) ?? (random.uniform() < 0.2 + 0.1 * Double(index / tokens % 8))
    }
    return TokenStream(
      ids: (0..<text.count).map { text[$0] },
      documentStarts: Array(stride(from: 0, to: text.count, by: 29)), bytes: 2 * text.count,
      scored: scored)
  }

  /// Rows of given ids; the loss of each target by itself, then of a mask in one go.
  @Test func theLossIsTheMeanOfTheTargetsThatCount() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 1, windows: 2)
    let session = try fixture.session(fixture.adaptation(.sparse), settings)
    let text = TrainingFixture.text(windows: 2)
    let rows = (0..<2).map { row in
      (0..<Self.tokens).map { place in
        (input: text[row * Self.tokens + place], target: text[row * Self.tokens + place + 1])
      }
    }
    func fill(_ counts: (_ row: Int, _ place: Int) -> Bool) {
      for (row, pairs) in rows.enumerated() {
        session.fill(
          row: row, tokens: pairs.map(\.input),
          targets: pairs.enumerated().map { counts(row, $0) ? $1.target : -1 })
      }
    }
    var losses: [[Double]] = []
    for row in rows.indices {
      losses.append(
        (0..<Self.tokens).map { place in
          fill { $0 == row && $1 == place }
          return session.score()
        })
    }
    #expect(losses.flatMap { $0 }.allSatisfy { $0 > 0.1 })
    // All of the first row's second half, and one target of the second row.
    func counts(_ row: Int, _ place: Int) -> Bool {
      row == 0 ? place >= Self.tokens / 2 : place == 3
    }
    let chosen = losses[0][(Self.tokens / 2)...] + [losses[1][3]]
    let mean = chosen.reduce(0, +) / Double(chosen.count)
    fill(counts)
    session.beginStep(
      learningRate: 1e-2, optimizer: settings.optimizer, step: 1, scoredTokens: chosen.count)
    let found = session.runMicroBatch() / Double(chosen.count)
    #expect(session.finishStep() > 0)
    #expect(abs(found / mean - 1) < 1e-6)
    fill { _, _ in true }
    let all = losses.flatMap { $0 }.reduce(0, +)
    let changed = session.score()
    #expect(changed.isFinite && changed != all)
  }

  /// Documents begin where the caller says, also where frozen blocks are a program of their own.
  @Test(arguments: [TestMethod.full, .lastLayers])
  func rowsOfGivenIdsEqualWindows(_ method: TestMethod) throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 1, windows: 1)
    let session = try fixture.session(fixture.adaptation(method), settings)
    #expect((session.step.frozenBlocks > 0) == (method == .lastLayers))
    let ids = (0...Int32(Self.tokens)).map { 1 + $0 % 7 }
    let text = TokenStream(ids: ids, documentStarts: [0, 5], bytes: 1)
    session.fill(row: 0, from: text, window: 0)
    let expected = session.score()
    let starts = (0..<Int32(Self.tokens)).map { $0 < 5 ? Int32(0) : 5 }
    session.fill(
      row: 0, tokens: Array(ids.dropLast()), targets: Array(ids.dropFirst()),
      documentStarts: starts)
    #expect(session.score() == expected)
    session.fill(row: 0, tokens: Array(ids.dropLast()), targets: Array(ids.dropFirst()))
    #expect(session.score() != expected)
  }

  /// A step's mean and gradient are over all targets of all its micro-batches that count, however
  /// they are spread. Observed: 4e-8 of the loss, 2e-7 of the norm.
  @Test(arguments: [TestMethod.full, .rows, .lora, .headRows, .lastLayers])
  func accumulationEqualsLargerBatch(_ method: TestMethod) throws {
    let fixture = try TrainingFixture()
    let text = Self.masked(windows: 32)
    let runs = try [(8, 1), (2, 4), (1, 8)].map { windows, accumulation in
      let settings = TrainingFixture.settings(
        steps: 6, windows: windows, accumulation: accumulation, clipNorm: 0.5)
      return try fixture.train(fixture.adaptation(method), settings, text: text)
    }
    for other in runs[1...] {
      for (a, b) in zip(runs[0].steps, other.steps) {
        #expect(abs(a.loss / b.loss - 1) < 1e-6, "step \(a.step)")
        #expect(abs(a.gradientNorm / b.gradientNorm - 1) < 1e-5, "step \(a.step)")
      }
    }
  }

  /// What a step reports is what scoring its windows gives.
  @Test func aStepsLossIsThatOfItsText() throws {
    let fixture = try TrainingFixture()
    let text = Self.masked(windows: 8)
    let settings = TrainingFixture.settings(
      steps: 1, windows: 2, accumulation: 4, shuffles: false)
    let loss = try fixture.train(FullAdaptation(), settings, text: text).losses[0]
    #expect(abs(try fixture.loss(of: text) / loss - 1) < 1e-6)
    #expect(text.scoredCount < text.count - 1)
    let plain = TrainingFixture.text(windows: 8)
    #expect(abs(try fixture.loss(of: plain) / loss - 1) > 1e-3, "the mask changes nothing")
  }

  /// Windows weigh by their targets that count; of each by itself the mean is its own.
  @Test func windowLossesAreMeansOfTheirOwnTargets() throws {
    let fixture = try TrainingFixture()
    let text = Self.masked(windows: 6) { $0 / Self.tokens != 2 || $0 % Self.tokens == 0 }
    let settings = TrainingFixture.settings(steps: 1, windows: 4)
    let evaluator = Evaluator(try fixture.session(NoAdaptation(), settings), text: text)
    let losses = evaluator.windowLosses(Array(0..<6))
    let counts = (0..<6).map { text.scoredCount(window: $0, sequenceLength: Self.tokens) }
    #expect(counts == [12, 12, 1, 12, 12, 12])
    #expect(evaluator.tokenCount == 61)
    let sum = zip(losses, counts).reduce(0) { $0 + $1.0 * Double($1.1) }
    #expect(abs(sum / 61 / evaluator.meanLoss() - 1) < 1e-6)
    let nothing = Self.masked(windows: 2) { _ in false }
    let session = try fixture.session(NoAdaptation(), settings)
    #expect(Evaluator(session, text: nothing).windowLosses([0, 1]) == [0, 0])
  }

  @Test func aMaskThatLetsEverythingCountChangesNoBit() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 6, windows: 3, accumulation: 2)
    let plain = try fixture.train(FullAdaptation(), settings)
    let masked = try fixture.train(
      FullAdaptation(), settings, text: Self.masked(windows: 16) { _ in true })
    #expect(masked.losses == plain.losses)
    #expect(masked.session.parameters == plain.session.parameters)
  }

  /// Steps 1 and 3 see targets that count, step 2 sees none: it changes nothing, moments included.
  @Test(arguments: [TestMethod.full, .lora], [nil, 0.5])
  func aStepWithoutTargetsChangesNothing(_ method: TestMethod, clipNorm: Double?) throws {
    let fixture = try TrainingFixture()
    let text = Self.masked(windows: 12) { index in
      index == 0 || (index - 1) / (4 * Self.tokens) != 1
    }
    func train(steps: Int) throws -> RunRecord {
      let settings = TrainingFixture.settings(
        steps: steps, windows: 2, accumulation: 2, optimizer: .adamW(AdamW(weightDecay: 0.1)),
        clipNorm: clipNorm, warmupSteps: 0, shuffles: false)
      var constant = settings
      constant.schedule.curve = .constant
      return try fixture.train(fixture.adaptation(method), constant, text: text)
    }
    let runs = try (1...3).map { try train(steps: $0) }
    #expect(runs[2].timeline.filter { $0 != "done" } == ["step 1", "step 2", "warning", "step 3"])
    #expect(runs[2].steps[1].loss == 0 && runs[2].steps[1].gradientNorm == 0)
    let states = runs.map { run in run.session.stateBuffers.map(\.values) }
    let (stays, moves) = (states[0] == states[1], states[1] != states[2])
    #expect(stays && moves)
    let isFinite = states[2].allSatisfy { $0.allSatisfy(\.isFinite) }
    #expect(isFinite)
    #expect(runs[2].losses[2] > 0.1)
  }

  @Test func aTextWithoutTargetsTrainsNothing() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 2)
    let run = try fixture.train(
      FullAdaptation(), settings, text: Self.masked(windows: 16) { _ in false },
      validation: TrainingFixture.text(windows: 2))
    #expect(run.losses == [0, 0])
    #expect(run.validations.count == 2 && run.validations[0] == run.validations[1])
    #expect(run.timeline.count { $0 == "warning" } >= 2)
  }
}
