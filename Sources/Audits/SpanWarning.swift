import Checkpoints
import Tensors

/// What a delta's owner is told when it is made to be shared.
public enum SpanWarning {
  /// A sentence on a delta from which the span test could read tokens; nil where it could not, or
  /// where it would be futile to look: after AdamW, whose changes span everything.
  public static func text(_ delta: Delta, base: Checkpoint) -> String? {
    guard delta.recipe["optimizer"]?["type"]?.string != "adamw",
      let differences = try? WeightDifference.all(of: delta, base: base)
    else { return nil }
    for difference in differences.prefix(SpanTest.mostPlaces) {
      guard let span = try? InputSpan(difference), span.rank.isApplicable else { continue }
      return "the change of \(difference.tensors.joined(separator: ", ")) spans "
        + "\(span.rank.rank) of \(span.rank.bound) dimensions, so that the tokens it was trained on "
        + "can be read from it; train on more tokens, or keep it to yourself"
    }
    return nil
  }
}
