import Datasets
import Records
import Runs
import Storage
import TestSupport
import Testing
import Training

/// Tasks and texts, scored with several models.
@Suite struct SideBySideTests {
  private let fixture: RunsFixture

  init() throws {
    fixture = try RunsFixture()
    try fixture.folder.write(
      """
      {"prompt": "the cat", "choices": ["sees the dog", "likes", "a tree house in the garden"], "answer": 0}
      {"prompt": "a small bird ", "choices": ["finds a house", "red"], "answer": 1}
      {"prompt": "", "choices": ["the old dog", "big"], "answer": "big"}
      """, to: "choices.jsonl")
    try fixture.folder.write(
      """
      {"prompt": "the cat", "target": "sees the dog"}
      {"prompt": "one", "target": "xyzzy"}
      """, to: "targets.jsonl")
  }

  private func run(
    _ data: [String], deltas: [String] = [], maxTokens: Int = 16
  ) throws -> (table: EvaluationTable, items: [JSONValue]) {
    var settings = SideBySide.Settings(
      shape: BatchShape(windows: 2, tokens: 32), threads: 2, precision: .f32)
    settings.maxTokens = maxTokens
    let models = [SideBySide.Model(name: "base", deltas: [])]
    let suite = SideBySide(
      base: fixture.model, models: models + deltas.map { .init(name: $0, deltas: [$0]) },
      settings: settings)
    var items: [JSONValue] = []
    let table = try suite.table(
      DataSetPaths.sets(of: data.map { fixture.folder[$0] }, each: true)
    ) { items.append($0) }
    return (table, items)
  }

  /// Texts as long as the context leave no room for prompts.
  @Test func promptsNeedRoom() throws {
    #expect(throws: RunsError.self) { try run(["targets.jsonl"], maxTokens: 1 << 20) }
  }

  /// A choice's log-likelihood is that of its tokens in a stream of their own, however sequences share
  /// windows.
  @Test func likelihoodsAreThoseOfTheStream() throws {
    let items = try run(["choices.jsonl"]).items
    #expect(items.compactMap { $0["line"]?.int } == [1, 2, 3])
    let model = try LoadedModel(fixture.model, threads: 2, precision: .f32)
    let begin = try #require(model.tokenizer.beginOfSequence)
    for (item, prompt, texts) in [
      (0, "the cat", [" sees the dog", " likes", " a tree house in the garden"]),
      (1, "a small bird", [" finds a house", " red"]), (2, "", ["the old dog", "big"]),
    ] {
      let context = [begin] + (prompt.isEmpty ? [] : try model.tokenizer.encode(prompt))
      for (choice, text) in texts.enumerated() {
        let ids = [begin] + (try model.tokenizer.encode(prompt + text))
        let stream = TokenStream(
          ids: ids, documentStarts: [0], bytes: 1,
          scored: ids.indices.map { $0 >= context.count })
        let step = try scoring(model, tokens: ids.count - 1)
        let loss = Evaluator(step, text: stream).meanLoss() * Double(ids.count - context.count)
        let found = try #require(items[item]["log_likelihoods"]?[choice]?.double)
        #expect(abs(found + loss) < 1e-4, "\(item) \(choice): \(found), \(-loss)")
      }
    }
  }

  private func scoring(_ model: LoadedModel, tokens: Int) throws -> Session {
    let step = try CompiledStep(
      model.weights.configuration, adaptation: model.weights.adaptation, optimizer: .sgd(SGD()),
      clipNorm: nil, shape: BatchShape(windows: 1, tokens: tokens), precision: model.precision,
      elementType: model.weights.elementType)
    return try Session(
      step, weights: model.weights, pool: model.pool, kernels: model.kernels, seed: 0)
  }

  /// Which choices are right, and what is likeliest for its length, follow from the likelihoods.
  @Test func accuracyCountsTheLikeliest() throws {
    let (table, items) = try run(["choices.jsonl"])
    let choices = [
      ["sees the dog", "likes", "a tree house in the garden"], ["finds a house", "red"],
      ["the old dog", "big"],
    ]
    var (hits, normalised) = (0, 0)
    for (item, texts) in zip(items, choices) {
      let values = (item["log_likelihoods"]?.array ?? []).compactMap(\.double)
      #expect(values.count == texts.count)
      let means = zip(values, texts).map { $0 / Double($1.count) }
      let answer = try #require(item["answer"]?.int)
      hits += values[answer] == values.max() ? 1 : 0
      normalised += means[answer] == means.max() ? 1 : 0
    }
    let figures = table.data[0].figures[0]
    #expect(figures.map(\.measure) == [.accuracy, .normalisedAccuracy])
    #expect(figures[0].estimate.value == Double(hits) / 3)
    #expect(figures[1].estimate.value == Double(normalised) / 3)
  }

  /// A target that is what the model says greedily is an exact match, with a blank line or the end of
  /// the tokens behind it; a beginning of it is none.
  @Test func exactMatchIsTheGreedyText() throws {
    let sampler = TextSampler(try LoadedModel(fixture.model, threads: 2, precision: .f32))
    // One that is long enough to be cut.
    var found: (prompt: String, target: String)?
    for prompt in ["the cat", "a dog", "red", "old tree", "big"] where found == nil {
      let said = try sampler.text(after: prompt, maxTokens: 6, temperature: 0, topP: 1, seed: 0)
      let target = said.split(separator: "\n\n").first.map(String.init) ?? ""
      if target.filter({ !$0.isWhitespace }).count > 4 { found = (prompt, target) }
    }
    let (prompt, target) = try #require(found)
    try fixture.folder.write(
      [target, String(target.dropLast(2)), target + "!"].map {
        JSONValue.object(["prompt": .string(prompt), "target": .string($0)]).encoded() + "\n"
      }.joined(), to: "targets.jsonl")
    let (table, items) = try run(["targets.jsonl"], maxTokens: 6)
    #expect(items.compactMap { $0["exact_match"]?.bool } == [true, false, false])
    #expect(abs(table.data[0].figures[0][0].estimate.value - 1.0 / 3) < 1e-12)
    let loss = try #require(table.data[0].figures[0].last)
    let sum = items.reduce(0) { $0 - ($1["log_likelihood"]?.double ?? 0) }
    let tokens = items.reduce(0) { $0 + ($1["tokens"]?.int ?? 0) }
    #expect(loss.measure == .loss && abs(loss.estimate.value - sum / Double(tokens)) < 1e-9)
    #expect(table.data[0].tokens == tokens)
  }

  /// Base and delta on a text and a task: the text's losses are those of `TextEvaluation`, and the
  /// differences are paired.
  @Test func differencesAreToTheBase() throws {
    _ = try fixture.train()
    let delta = fixture.folder["run/best/trained.sfdelta"]
    let (table, items) = try run(["text.txt", "targets.jsonl"], deltas: [delta])
    #expect(table.models == ["base", delta] && table.data.map(\.kind) == ["text", "target"])
    let shape = BatchShape(windows: 2, tokens: 32)
    for (index, deltas) in [[], [delta]].enumerated() {
      let model = try LoadedModel(fixture.model, deltas: deltas, threads: 2, precision: .f32)
      let record = try TextEvaluation(model, shape: shape).score([fixture.folder["text.txt"]])
      #expect(abs(table.data[0].figures[index][0].estimate.value - record.loss) < 1e-6)
    }
    for set in table.data {
      for (base, other) in zip(set.figures[0], set.figures[1]) {
        let difference = try #require(other.difference)
        #expect(base.difference == nil)
        #expect(abs(difference.value - (other.estimate.value - base.estimate.value)) < 1e-9)
        let interval = try #require(difference.interval)
        #expect(interval.contains(difference.value))
      }
    }
    #expect(items.count == 2 * (table.data[0].items + 2))
  }

  @Test func continuationsThatDoNotFitAreRefused() throws {
    let long = String(repeating: "zq", count: 200)
    try fixture.folder.write(#"{"prompt": "a", "target": "\#(long)"}"#, to: "targets.jsonl")
    let error = failure { _ = try run(["targets.jsonl"]) }
    #expect(error?.category == .badData)
    #expect(error?.description.contains("expected at most 128, the model's context") == true)
  }
}
