import Checkpoints

/// The deltas that a recipe's training starts from.
enum StartingDeltas {
  /// Opens them; each is added with a scale of 1.
  ///
  /// - Throws: `CheckpointError`; `.repeatedDelta` for one that is given twice, `.unsupported` for
  ///   changes that a step can't be compiled around.
  static func open(
    _ paths: [String]
  ) throws(CheckpointError) -> [(delta: Delta, scale: Double)] {
    var deltas: [(delta: Delta, scale: Double)] = []
    for path in paths { deltas.append((try Delta.open(path), 1)) }
    try DeltaMerge.checkRepeats(deltas.map(\.delta))
    for (delta, _) in deltas {
      let beside = delta.entries.first { $0.encoding == .hiddenUnits || $0.encoding == .tensor }
      guard let entry = beside else { continue }
      throw .unsupported(
        path: delta.path, field: "'\(entry.name)'",
        found: entry.encoding == .tensor
          ? "a tensor that the base does not have" : "hidden units beside the base's",
        expected: "changes of the base's own tensors, from which training can start")
    }
    return deltas
  }
}
