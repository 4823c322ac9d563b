import Recipes
import Records
import Reports
import Storage
import Training

/// Trains methods one after the other on the same batches, each in a process of its own, so that
/// every peak is that method's.
struct Comparison {
  let recipePath: String
  let overrides: [String]
  let recipe: Recipe
  /// The folder of token ids that all runs share.
  let cache: String
  let field: ComparisonField

  init(recipePath: String, overrides: [String], recipe: Recipe, cache: String) {
    self.recipePath = recipePath
    self.overrides = overrides
    self.recipe = recipe
    self.cache = cache
    field = ComparisonField(recipe)
  }

  /// Runs a member of the field as a child process.
  func run(_ index: Int, seed: Int) throws -> ComparisonRow {
    let member = field.members[index]
    let output =
      "\(recipe.output.absolute)/compare/\(index)-\(Self.slug(member.label))-\(seed)"
    let child = ChildRun(
      label: member.label,
      arguments: ["finetune", recipePath, "--json", "--cache", cache, "--only"] + overrides + [
        "method=\(methodJSON(member.entry))", "compare=[]", "run.sample=null", "seed=\(seed)",
        "output=\(output)",
      ])
    var row = try child.run(seed: seed)
    row.deltaBytes = Self.deltaBytes(output)
    return row
  }

  /// The size of the best snapshot's delta in a run's folder; nil without one.
  static func deltaBytes(_ folder: String) -> Int? {
    let path = SnapshotStore(folder: folder, method: .null, recipe: .null).deltaPath(.best)
    return (try? MappedFile(path: path))?.bytes.count
  }

  /// The resolved form of the entry, so that overrides and defaults are those of this recipe.
  private func methodJSON(_ entry: MethodEntry) -> String {
    var copy = recipe
    copy.method = entry
    return (copy.resolvedJSON["method"] ?? .null).encoded()
  }

  private static func slug(_ label: String) -> String {
    String(label.map { $0.isLetter || $0.isNumber ? $0 : "-" })
  }
}
