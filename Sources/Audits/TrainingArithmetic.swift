import Adaptations
import Checkpoints
import Models
import Tensors

/// The arithmetic of the training that made a delta, in products of one token with matrices.
struct TrainingArithmetic {
  /// Elements of the matrices that a token is multiplied with: of blocks below the deepest change, and
  /// of all others.
  private(set) var below = 0.0
  private(set) var above = 0.0
  /// Elements that have a gradient.
  private(set) var trained = 0.0

  init(of delta: Delta) {
    // Nothing goes back through blocks from a ladder.
    let paths = delta.entries.filter { LadderTensor(name: $0.name) == nil }
      .map { ParameterPath($0.name) }
    // Where the embedding has changed, all is above it.
    let deepest =
      paths.contains { $0?.role == .embedding } ? 0 : paths.compactMap { $0?.layer }.min()
    let configuration = delta.baseConfiguration
    for parameter in configuration.parameters where parameter.isMatrix {
      // A token looks its row up in the embedding; a tied one is the head as well.
      if parameter.path.role == .embedding, !configuration.tiedHead { continue }
      let count = Double(parameter.shape.count)
      if let layer = parameter.path.layer, layer < deepest ?? .max {
        below += count
      } else {
        above += count
      }
    }
    for entry in delta.entries {
      // An embedding's rows get sums of what their tokens give, no products.
      if entry.name == ParameterRole.embedding.rawValue, !configuration.tiedHead { continue }
      for tensor in entry.tensors { trained += Double(tensor.shape.count) }
    }
  }

  /// A trained token's products by those of a token forward: forward, backward to what changes, and the
  /// gradients; below it forward once for all epochs, whose outputs are kept.
  func perToken(epochs: Double) -> Double {
    (2 * above + trained + below / max(1, epochs)) / max(1, above + below)
  }
}
