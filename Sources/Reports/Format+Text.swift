import Records
import Tensors

extension Format {
  /// How much text trains and how much is held out, in one line.
  public static func text(_ text: TextAmounts) -> String {
    func documents(_ count: Int) -> String { count == 1 ? "1 document" : "\(count) documents" }
    var line =
      "text: trains \(text.trainedTokens) tokens of \(documents(text.trainedDocuments)) in "
      + "\(text.trainedWindows) windows of \(text.sequenceLength)"
    let all = text.trainedTokens + text.droppedTokens + text.heldOutTokens
    line +=
      text.heldOutTokens == 0
      ? "; nothing is held out"
      : "; holds out \(text.heldOutTokens) of \(documents(text.heldOutDocuments)) "
        + "(\(percent(Double(text.heldOutTokens) / Double(max(1, all)))))"
    if text.droppedTokens > 0 { line += "; \(text.droppedTokens) fill no window" }
    return line
  }
}
