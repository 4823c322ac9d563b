import Checkpoints
import Models
import Runs
import Tensors
import TestSupport

@testable import Audits

/// A folder with a tiny model and texts of the same words in other orders.
struct AuditFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let configuration = TinyModel.configuration(
      layers: 3, vocabularySize: 384, contextLength: 128)
    let tokenizer = StoredTokenizer(
      kind: "sentencepiece",
      bytes: try TemporaryFolder.read(
        SharedData.packageRoot + "/Tests/Golden/gqa-tied/tokenizer.model"))
    try RandomInitialisation.write(
      configuration: configuration, tokenizer: tokenizer, seed: 3, elementType: .f32,
      output: folder["tiny.sfckpt"])
    for (name, seed, sentences) in [
      ("train", 7, 32), ("heldout", 8, 32), ("other", 9, 32), ("long", 10, 128),
    ] {
      try folder.write(Self.text(seed: UInt64(seed), sentences: sentences), to: "\(name).txt")
    }
  }

  static let shippedModel = SharedData.packageRoot + "/checkpoints/base.sfckpt"

  private static func text(seed: UInt64, sentences: Int) -> String {
    let words = "the a cat dog bird tree house garden sees likes finds red big small old and"
      .split(separator: " ")
    var random = RandomSource(seed: seed)
    return (0..<sentences).map { _ in
      (0..<9).map { _ in String(words[random.integer(below: words.count)]) }
        .joined(separator: " ") + ".\n"
    }.joined()
  }

  /// Trains on a text.
  ///
  /// - Returns: the delta's path.
  func train(
    model: String = "tiny.sfckpt", on text: String, method: String, optimizer: String,
    length: String, sequenceLength: Int, batch: Int
  ) throws -> String {
    let name = "run-\(text)-\(batch)-\(sequenceLength)-\(method.utf8.count)"
    try folder.write(
      """
      {
        "model": "\(model)", "output": "\(name)", "seed": 1,
        "data": { "train": ["\(text)"], "validation": 0, "sequence_length": \(sequenceLength),
                  "shuffle": false },
        "method": \(method), "optimizer": \(optimizer),
        "schedule": { "type": "constant", "warmup_steps": 0 },
        "run": { \(length), "batch_size": \(batch), "validate_every": 0, "save_every": 0,
                 "products": "tiles", "precision": "f32" }
      }
      """, to: "recipe.json")
    let prepared = try PreparedRun(recipe: folder["recipe.json"])
    let run = try TrainingRun(
      try PlannedRun(prepared, try MethodDecision(prepared)), in: RunFolder(folder[name]))
    _ = try run.train()
    return folder["\(name)/last/trained.sfdelta"]
  }

  static let sgd = #"{ "type": "sgd", "learning_rate": 0.1, "clip_norm": 1.0 }"#

  /// Audits a delta against texts of the folder.
  func audit(
    _ delta: String, model: String? = nil, train: String = "train.txt",
    heldOut: String = "heldout.txt", shadows: Int = 0, prefixLength: Int = 4
  ) throws -> Audit {
    var settings = Audit.Settings(
      model: model ?? folder["tiny.sfckpt"], delta: delta, train: [folder[train]],
      heldOut: [folder[heldOut]])
    settings.shadows = shadows
    settings.candidates = 64
    settings.prefixLength = prefixLength
    settings.precision = .f32
    return try Audit(settings)
  }
}
