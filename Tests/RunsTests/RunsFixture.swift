import Checkpoints
import Models
import Records
import Reports
import Runs
import Tensors
import TestSupport

/// A folder with a tiny model, a text and a recipe.
struct RunsFixture {
  let folder: TemporaryFolder

  /// - Parameters:
  ///   - elementType: how the model's matrices are stored.
  ///   - hasOutlier: the input of `layers[1].mlp.down` has a massive column, in a model whose losses
  ///     depend on it.
  init(elementType: ElementType = .f32, hasOutlier: Bool = false) throws {
    folder = try TemporaryFolder()
    let configuration = TinyModel.configuration(
      layers: 3, vocabularySize: 384, contextLength: 128)
    let tokenizer = StoredTokenizer(
      kind: "sentencepiece",
      bytes: try TemporaryFolder.read(
        SharedData.packageRoot + "/Tests/Golden/gqa-tied/tokenizer.model"))
    if hasOutlier {
      try Self.writeModelWithOutlier(configuration, tokenizer, elementType, to: model)
    } else {
      try RandomInitialisation.write(
        configuration: configuration, tokenizer: tokenizer, seed: 3, elementType: elementType,
        output: model)
    }
    try folder.write(Self.text, to: "text.txt")
    try folder.write(
      """
      {
        "model": "tiny.sfckpt", "output": "run", "seed": 1,
        "data": { "train": ["text.txt"], "validation": 0.1, "sequence_length": 16 },
        "method": { "type": "full" },
        "optimizer": { "learning_rate": 1e-2 },
        "schedule": { "warmup_steps": 1 },
        "run": { "steps": 6, "batch_size": 2, "validate_every": 2, "save_every": 0,
                 "products": "tiles" }
      }
      """, to: "recipe.json")
  }

  private static func writeModelWithOutlier(
    _ configuration: ModelConfiguration, _ tokenizer: StoredTokenizer, _ type: ElementType,
    to path: String
  ) throws {
    var weights = TinyModel.weights(configuration).mapValues { $0.map { 0.2 * $0 } }
    for parameter in configuration.parameters where !parameter.isMatrix {
      weights[parameter.name] = Array(repeating: 1, count: parameter.shape.count)
    }
    PlantedOutlier.plant(in: &weights, configuration, layer: 1, factor: 300)
    let values = weights
    try CheckpointWriter.write(
      to: path, configuration: configuration, tokenizer: tokenizer, elementType: type
    ) { (name) throws(CheckpointError) in .values(values[name] ?? []) }
  }

  var model: String { folder["tiny.sfckpt"] }
  var recipe: String { folder["recipe.json"] }

  /// Sentences of a few words, the same ones every time.
  private static var text: String {
    let words = "the a cat dog bird tree house garden sees likes finds red big small old and"
      .split(separator: " ")
    var random = RandomSource(seed: 7)
    return (0..<100).map { _ in
      (0..<9).map { _ in String(words[random.integer(below: words.count)]) }
        .joined(separator: " ") + ".\n"
    }.joined()
  }

  func prepared(
    _ overrides: String..., shouldStop: @escaping () -> Bool = { false }
  ) throws -> PreparedRun {
    try PreparedRun(recipe: recipe, overrides: overrides, shouldStop: shouldStop)
  }

  /// Trains the recipe; it is asked to stop after `stopAfter` steps.
  func train(
    _ overrides: String..., resuming: Bool = false, acceptsChanges: Bool = false,
    stopAfter: Int = .max
  ) throws -> (summary: RunSummary, events: [RunEvent]) {
    let collector = EventCollector(stopAfter: stopAfter)
    let prepared = try PreparedRun(
      recipe: recipe, overrides: overrides, resuming: resuming,
      acceptsChanges: acceptsChanges,
      shouldStop: { collector.shouldStop })
    let decision =
      resuming ? try MethodDecision(resuming: prepared) : try MethodDecision(prepared)
    let run = try TrainingRun(
      try PlannedRun(prepared, decision), in: RunFolder(folder["run"], resuming: resuming),
      resuming: resuming, observe: collector.handle)
    return (try run.train(), collector.events)
  }
}

/// Keeps what happens in a run.
final class EventCollector {
  private let stopAfter: Int
  private(set) var events: [RunEvent] = []

  init(stopAfter: Int = .max) { self.stopAfter = stopAfter }

  func handle(_ event: RunEvent) throws(ReportError) { events.append(event) }

  var shouldStop: Bool { events.steps.count >= stopAfter }
}

extension [RunEvent] {
  var steps: [StepReport] { compactMap { if case .step(let report) = $0 { report } else { nil } } }
  var warnings: [String] { compactMap { if case .warning(let text) = $0 { text } else { nil } } }
  var validations: [Double] {
    compactMap { if case .validation(_, let loss, _, _) = $0 { loss } else { nil } }
  }
}
