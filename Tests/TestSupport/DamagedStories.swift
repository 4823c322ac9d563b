import Checkpoints
import Interchange
import Tensors

/// stories260K, a trained model, with some of its tensors changed, so that what mends it is known.
package enum DamagedStories {
  /// - Parameter damage: the new values of a tensor.
  package static func make(
    in folder: TemporaryFolder, _ damage: (_ path: String, _ values: [Float], Shape) -> [Float]
  ) throws -> Checkpoint {
    try CheckpointImport.run(
      source: try SharedData.require("stories260K/stories260K.bin"),
      tokenizer: try SharedData.require("stories260K/tok512.model"), elementType: .f32,
      output: folder["whole.sfckpt"])
    let whole = try Checkpoint.open(folder["whole.sfckpt"])
    var tensors: [String: [Float]] = [:]
    for tensor in whole.tensors {
      let values = whole.tensor(tensor.name)?.widened() ?? []
      tensors[tensor.name] = damage(tensor.name, values, tensor.shape)
    }
    try CheckpointWriter.write(
      to: folder["damaged.sfckpt"], configuration: whole.configuration,
      tokenizer: whole.tokenizer, elementType: .f32
    ) { (name) throws(CheckpointError) in .values(tensors[name] ?? []) }
    return try Checkpoint.open(folder["damaged.sfckpt"])
  }
}
