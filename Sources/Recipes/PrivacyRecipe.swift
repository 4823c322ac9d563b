/// Training with differential privacy of windows (DP-SGD).
public struct PrivacyRecipe: Hashable, Sendable {
  /// The norm that a window's gradient is clipped to.
  public var clip: Double = 1
  /// The noise on a step's sum of gradients, as a multiple of `clip`; 0 for none, with which nothing
  /// is private.
  public var noise: Double = 1
  /// The δ for which ε is given.
  public var delta: Double = 1e-5

  public init() {}
}

extension PrivacyRecipe: RecipeSection {
  mutating func visit(_ fields: RecipeFields) {
    fields.required("clip", &clip, .number(Interval(lower: 0, upper: 1e6, includesLower: false)))
    fields.required("noise", &noise, .number(Interval(lower: 0, upper: 1e6)))
    fields.required(
      "delta", &delta,
      .number(Interval(lower: 0, upper: 1, includesLower: false, includesUpper: false)))
  }
}

extension Recipe {
  /// Reports what a private run can't have: anything that is decided by looking at the text without
  /// noise.
  func checkPrivacy(_ fields: RecipeFields) {
    guard privacy != nil else { return }
    let because = "is decided by the training text without noise, so it is not private"
    if case .auto = method.learningRate ?? optimizer.learningRate {
      fields.report("optimizer.learning_rate", .invalid(reason: "'auto' \(because)"))
    }
    if method.looksAtText {
      fields.report("method", .invalid(reason: "what trains \(because); name the tensors"))
    }
    if run.batchSize * run.accumulation < 2 {
      fields.report(
        "run.batch_size",
        .invalid(reason: "times run.accumulation is to be 2 or more windows with 'privacy'"))
    }
  }
}

extension MethodEntry {
  /// Whether the training text decides what trains: a choice by short runs, or rows of the head,
  /// which are taken by their pieces' frequency.
  fileprivate var looksAtText: Bool {
    if method.type == AutoRecipe.type { return true }
    guard let sparse = method.sparse else { return false }
    guard case .shares(let shares) = sparse.tensors else { return sparse.tensors == .auto }
    return shares.contains { $0.share < 1 && $0.pattern.matches("head") }
  }
}
