import Checkpoints
import Interchange
import Models
import Runs
import Tensors
import TestSupport
import Testing

/// What is right by construction is what method "auto" chooses: a trained model is damaged so that a
/// scheme mends it best.
@Suite(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
struct PlantedMethodTests {
  /// One tensor was emptied: all of it has to be learned again, and nothing else has.
  @Test func aSchemeIsChosenForOneEmptiedTensor() throws {
    let chosen = try choose { path, values in
      path == "layers[3].mlp.down" ? values.map { _ in 0 } : values
    }
    #expect(!chosen.contains("LoRA"), "\(chosen)")
  }

  /// The label of what is chosen for a damaged stories260K, in the arithmetic of low-rank adaptation.
  private func choose(
    _ damage: (_ path: String, _ values: [Float]) -> [Float]
  ) throws -> String {
    let folder = try TemporaryFolder()
    try CheckpointImport.run(
      source: try SharedData.require("stories260K/stories260K.bin"),
      tokenizer: try SharedData.require("stories260K/tok512.model"), elementType: .f32,
      output: folder["whole.sfckpt"])
    let whole = try Checkpoint.open(folder["whole.sfckpt"])
    var damaged: [String: [Float]] = [:]
    for tensor in whole.tensors {
      let values = whole.tensor(tensor.name)?.widened() ?? []
      damaged[tensor.name] = damage(tensor.name, values)
    }
    try CheckpointWriter.write(
      to: folder["damaged.sfckpt"], configuration: whole.configuration,
      tokenizer: whole.tokenizer, elementType: .f32
    ) { (name) throws(CheckpointError) in .values(damaged[name] ?? []) }
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
    return result.chosen?.candidate.label ?? ""
  }
}
