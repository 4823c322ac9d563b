import Recipes
import Reports
import Storage
import Tensors
import Training

/// What one method reached: a row of the table, an object of `compare --json`.
struct ComparisonRow {
  var method: String
  var label: String
  var seed: Int
  var trainableParameters: Int
  var flopsPerToken: Double
  var planSeconds: Double
  var summary: RunSummary

  var json: JSONValue {
    func loss(_ value: Double?) -> JSONValue { value.map { .number($0) } ?? .null }
    return [
      "method": .string(method), "label": .string(label), "seed": .int(seed),
      "trainable_parameters": .int(trainableParameters),
      "initial_validation_loss": loss(summary.initialValidationLoss),
      "final_validation_loss": loss(summary.finalValidationLoss),
      "best_validation_loss": loss(summary.bestValidationLoss), "tokens": .int(summary.tokens),
      "tokens_per_second": .number(summary.tokensPerSecond),
      "seconds": .number(summary.seconds), "analysis_seconds": .number(planSeconds),
      "planned_bytes": .int(summary.plannedBytes),
      "peak_rss_bytes": .int(summary.peakResidentBytes),
      "flops_per_token": .number(flopsPerToken),
    ]
  }
}

/// Trains methods one after the other on the same batches, each in a process of its own, so that
/// every peak is that method's.
struct Comparison {
  let recipePath: String
  let overrides: [String]
  let recipe: Recipe
  /// The folder of token ids that all runs share.
  let cache: String

  /// Runs one method as a child process.
  func run(_ entry: MethodEntry, index: Int, seed: Int) throws -> ComparisonRow {
    let child = ChildRun(
      label: entry.displayLabel,
      arguments: ["finetune", recipePath, "--json", "--cache", cache, "--only"] + overrides + [
        "method=\(methodJSON(entry))", "compare=[]", "run.sample=null", "seed=\(seed)",
        "output=\(recipe.output.absolute)/compare/\(index)-\(Self.slug(entry.displayLabel))-\(seed)",
      ])
    return try child.run(seed: seed)
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

  /// All rows as one table for people, best held-out loss first.
  static func table(_ rows: [ComparisonRow]) -> String {
    var table = Table([
      .init("method"), .init("trained", .right), .init("held-out loss", .right),
      .init("tokens/s", .right), .init("planned", .right), .init("real peak", .right),
      .init("time", .right),
    ])
    for row in rows {
      let summary = row.summary
      let loss = summary.bestValidationLoss.map { Format.loss($0) } ?? "–"
      table.add([
        row.label, Format.count(row.trainableParameters), loss,
        Format.count(summary.tokensPerSecond), Format.bytes(summary.plannedBytes),
        Format.bytes(summary.peakResidentBytes), Format.duration(summary.seconds),
      ])
    }
    return table.text
  }

  /// One sentence on what the table shows.
  static func verdict(_ rows: [ComparisonRow]) -> String? {
    let scored = rows.compactMap { row in row.summary.bestValidationLoss.map { (row, $0) } }
    guard scored.count > 1, let best = scored.min(by: { $0.1 < $1.1 }),
      let second = scored.filter({ $0.0.label != best.0.label }).min(by: { $0.1 < $1.1 })
    else { return nil }
    let gap = second.1 - best.1
    let speed = best.0.summary.tokensPerSecond / max(second.0.summary.tokensPerSecond, 1e-9)
    let memory =
      Double(best.0.summary.peakResidentBytes) / Double(max(1, second.0.summary.peakResidentBytes))
    let figures =
      "at \(formatted(speed, decimals: 2))x the tokens/s and \(formatted(memory, decimals: 2))x "
      + "the memory of \(second.0.label)"
    if gap < 0.02 {
      return "\(best.0.label) and \(second.0.label) reach the same loss within what one seed can "
        + "tell (\(Format.loss(gap)) nats apart); \(best.0.label) runs \(figures)."
    }
    return "\(best.0.label) wins here: \(Format.loss(gap)) nats lower than \(second.0.label), "
      + "\(figures)."
  }
}
