import Models
import Tensors

/// The checkpoint that a delta is bound to. Not every writer of deltas has its weights.
struct DeltaBase {
  let contentHash: String
  let configuration: ModelConfiguration
  /// The weights; nil where only hash and configuration are known.
  let checkpoint: Checkpoint?
  private let shapes: [String: Shape]

  init(_ checkpoint: Checkpoint) {
    self.init(checkpoint.contentHash, checkpoint.configuration, checkpoint)
  }

  /// The base of a delta as the delta names it.
  init(of delta: Delta) { self.init(delta.baseHash, delta.baseConfiguration, nil) }

  private init(_ hash: String, _ configuration: ModelConfiguration, _ checkpoint: Checkpoint?) {
    contentHash = hash
    self.configuration = configuration
    self.checkpoint = checkpoint
    shapes = Dictionary(
      uniqueKeysWithValues: configuration.trainableParameters.map { ($0.name, $0.shape) })
  }

  /// The shape of a parameter that deltas can change.
  func shape(of name: String) -> Shape {
    guard let shape = shapes[name] else { preconditionFailure("no parameter '\(name)'") }
    return shape
  }

  /// Takes the base's rows of a parameter from f32 values.
  func subtract(_ rows: Range<Int>, of name: String, from target: UnsafeMutablePointer<Float>) {
    guard let tensor = checkpoint?.origin(of: name) else {
      preconditionFailure("no weights of '\(name)'")
    }
    let old = [Float](unsafeUninitializedCapacity: rows.count * tensor.rowWidth) { buffer, count in
      count = buffer.count
      if let start = buffer.baseAddress { tensor.widenRows(rows, into: start) }
    }
    for i in old.indices { target[i] -= old[i] }
  }
}
