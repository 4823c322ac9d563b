import Checkpoints
import Storage
import Training

/// What the run of a snapshot started from.
public struct StartOfRun {
  /// The base with the deltas of the run's recipe, none for a run that started from the base alone.
  public let merge: DeltaMerge

  /// - Parameters:
  ///   - path: a delta in a run's `best/` or `last/`.
  ///   - base: the checkpoint that was trained.
  /// - Throws: `CheckpointError`; `.missing` for a delta outside a run's folder, `.mismatch` where a
  ///   delta of the recipe is no longer the one that the run started from.
  public init(snapshot path: String, base: Checkpoint) throws {
    let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    let run = "\(parent)/.."
    let recipe = "\(run)/recipe.resolved.json"
    guard path.hasSuffix(SnapshotStore.deltaName), Folder.exists(recipe) else {
      throw CheckpointError.missing(
        path: path, what: "recipe of its run, which names the deltas that it started from",
        next: "name the run's folder")
    }
    let names = try JSONValue.read(path: recipe, .strict)["deltas"]?.array ?? []
    let deltas = try StartingDeltas.open(names.compactMap(\.string))
    if !deltas.isEmpty {
      let saved = try SnapshotStore(folder: run, method: .null, recipe: .null).saved()
      for (index, (delta, _)) in deltas.enumerated() {
        let expected = saved.deltas.indices.contains(index) ? saved.deltas[index] : "none"
        guard delta.contentHash == expected else {
          throw CheckpointError.mismatch(
            path: delta.path, field: "content hash", found: delta.contentHash,
            expected: expected, next: "put the file back that the run started from")
        }
      }
    }
    merge = try DeltaMerge(base: base, deltas: deltas)
  }
}
