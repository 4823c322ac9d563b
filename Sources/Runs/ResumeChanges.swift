import Recipes
import Records
import Storage
import Training

/// What is no longer as it was when the state that a run is resumed from was saved, as far as it
/// decides which numbers come out. Paths, threads, and what is only printed or kept are not.
struct ResumeChanges {
  /// For people, one change each: "optimizer.learning_rate was 0.001, is 0.003".
  private(set) var texts: [String] = []
  /// Whether another text is held out, so that losses before and after can't be compared.
  private(set) var hasOtherValidation = false
  /// Whether the guard's text or its limit is another one, so that the best may be beyond it.
  private(set) var hasOtherGuard = false

  /// Parts of a recipe that decide losses. What is in the texts, with their separators and
  /// templates, shows in the ids instead; the method is compared when its state is read.
  private static let sections: [String: [String]?] = [
    "data": ["sequence_length", "shuffle"], "guard": ["max_loss_increase"], "optimizer": nil,
    "schedule": nil, "privacy": nil,
    "run": ["epochs", "steps", "batch_size", "accumulation", "precision", "kept_gates"],
  ]

  /// - Parameters:
  ///   - saved: what the state says; states of earlier versions say nothing, and pass.
  ///   - recipe: the resumed run's.
  ///   - texts: the resumed run's.
  init(_ saved: SnapshotStore.Saved, recipe: Recipe, texts: TextHashes) {
    if let before = saved.recipe {
      let now = recipe.resolvedJSON
      compare("seed", before["seed"], now["seed"])
      for (section, keys) in Self.sections.sorted(by: { $0.key < $1.key }) {
        let (old, new) = (before[section]?.object, now[section]?.object)
        for key in keys ?? Self.keys(old, new) {
          compare("\(section).\(key)", old?[key], new?[key])
        }
      }
    }
    hasOtherGuard = self.texts.contains { $0.hasPrefix("guard.") }
    guard let before = saved.texts else { return }
    if before.training != texts.training {
      self.texts.append("the training text (data.train) is another one, or in another order")
    }
    hasOtherValidation = before.validation != texts.validation
    if hasOtherValidation {
      self.texts.append("the held-out text (data.validation) is another one")
    }
    if before.lossGuard != texts.lossGuard {
      hasOtherGuard = true
      self.texts.append("the guard's text (guard.data) is another one")
    }
  }

  private static func keys(_ old: JSONObject?, _ new: JSONObject?) -> [String] {
    let all = (old?.members ?? []) + (new?.members ?? [])
    return Set(all.map(\.key)).sorted()
  }

  /// A key that either side lacks is one that its version did not know.
  private mutating func compare(_ key: String, _ old: JSONValue?, _ new: JSONValue?) {
    let isLength = key == "run.steps" || key == "run.epochs"
    guard old != new, isLength || (old != nil && new != nil) else { return }
    func text(_ value: JSONValue?) -> String { value.map { $0.encoded() } ?? "not set" }
    texts.append("\(key) was \(text(old)), is \(text(new))")
  }
}
