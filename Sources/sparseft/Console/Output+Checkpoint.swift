import Checkpoints
import Reports

extension Output {
  /// Says which checkpoint was written, with which content hash.
  static func announce(checkpoint path: String, hash: String) throws {
    let checkpoint = try Checkpoint.open(path, writtenHash: hash)
    let configuration = checkpoint.configuration
    note(
      "\(path): \(Format.count(configuration.parameterCount)) parameters, \(configuration.layers) "
        + "layers, \(Format.bytes(checkpoint.byteCount)), \(checkpoint.contentHash.prefix(12))…")
    if let leftOut = checkpoint.metadata["left_out"]?.string {
      note("\(path): without \(leftOut)")
    }
  }
}
