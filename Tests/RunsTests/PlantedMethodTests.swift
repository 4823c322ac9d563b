import Runs
import TestSupport
import Testing

/// What is right by construction is what method "auto" chooses: a trained model is damaged so that a
/// scheme mends it best.
@Suite(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
struct PlantedMethodTests {
  /// One tensor was emptied: all of it has to be learned again, and nothing else has.
  @Test func aSchemeIsChosenForOneEmptiedTensor() throws {
    let folder = try TemporaryFolder()
    _ = try DamagedStories.make(in: folder) { path, values, _ in
      path == "layers[3].mlp.down" ? values.map { _ in 0 } : values
    }
    try folder.write(
      """
      {
        "model": "damaged.sfckpt", "output": "run",
        "data": { "train": ["\(try SharedData.require("text/tinystories.txt"))"],
                  "validation": 0.05, "sequence_length": 64,
                  "document_separator": "<|endoftext|>" },
        "method": { "type": "auto" },
        "analysis": { "share": 0.6, "contributions": false },
        "schedule": { "warmup_steps": 5 },
        "run": { "steps": 900, "batch_size": 4, "threads": 1, "products": "tiles" }
      }
      """, to: "recipe.json")
    let result = try PreparedRun(recipe: folder["recipe.json"]).analyse()
    let chosen = try #require(result.chosen).candidate
    #expect(chosen.method == nil && !chosen.scheme.isEmpty, "\(chosen.label)")
    #expect(result.candidates.contains { $0.candidate.method != nil && !$0.rounds.isEmpty })
  }
}
