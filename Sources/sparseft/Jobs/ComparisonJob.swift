import Recipes
import Records
import Reports
import Storage
import Tensors

/// Every method with every seed, `compare.json` after each run, and the table and verdict at the end.
struct ComparisonJob {
  private let comparison: Comparison
  private let json: Bool
  /// What `--json` prints of a row.
  private let line: (ComparisonRow) -> JSONValue
  private let total: Int
  /// Runs to come: indices into the field and seeds, all methods of a seed before the next one.
  private var pending: ArraySlice<(member: Int, seed: Int)>
  private var report: ComparisonReport
  private var remaining = RemainingTime()

  /// - Parameters:
  ///   - seeds: seeds of every method.
  ///   - json: rows, summaries and the verdict go to standard output as JSON lines.
  init(
    _ comparison: Comparison, seeds: ClosedRange<Int>, json: Bool,
    line: @escaping (ComparisonRow) -> JSONValue = { $0.json }
  ) {
    self.comparison = comparison
    self.json = json
    self.line = line
    let field = comparison.field
    let runs = seeds.flatMap { seed in field.members.indices.map { (member: $0, seed: seed) } }
    total = runs.count
    pending = runs[...]
    report = ComparisonReport(
      subject: field.members[0].label, reference: field.members[field.reference].label)
  }

  /// The label of the recipe's own method.
  var subject: String { report.subject }

  /// Runs all that is to come and prints what follows from it.
  ///
  /// - Throws: what a run throws; rows so far stay in `compare.json`. A default baseline that does
  ///   not fit the machine or the budget, or diverges, is left out instead.
  mutating func run() throws {
    while let next = pending.first {
      let start = ContinuousClock.now
      do {
        let row = try comparison.run(next.member, seed: next.seed)
        try add(row, seconds: (ContinuousClock.now - start).seconds)
      } catch let error as CommandError where canLeaveOut(next.member, after: error) {
        pending.removeFirst()
        let label = comparison.field.members[next.member].label
        report.leftOut.append(
          ComparisonRecord.LeftOut(label: label, seed: next.seed, reason: error.description))
        Output.note("\(label) is left out: \(error)")
      }
    }
    try save(isComplete: true)
    if json {
      for closing in report.closingLines { Output.print(closing) }
    } else {
      Output.print("\n\(report.table.text)\n\n\(report.verdict.text)")
    }
  }

  /// Takes in the row of the next run, which is over.
  ///
  /// - Parameter seconds: what it took by the clock.
  /// - Throws: `StorageError` if `compare.json` can't be written.
  mutating func add(_ row: ComparisonRow, seconds: Double) throws(StorageError) {
    pending.removeFirst()
    report.rows.append(row)
    remaining.add(row.label, seconds: seconds)
    try save(isComplete: false)
    if json { Output.print(line(row)) }
    note(row, seconds: seconds)
  }

  /// "[2/7] lora r8, seed 0: held-out loss 3.3784 after 40 s; about 3 min 20 s left".
  private func note(_ row: ComparisonRow, seconds: Double) {
    var text = "[\(total - pending.count)/\(total)] \(row.label), seed \(row.seed): "
    if let loss = row.finalLoss { text += "held-out loss \(Format.loss(loss)) " }
    text += "after \(Format.duration(seconds))"
    let labels = pending.map { comparison.field.members[$0.member].label }
    if let left = remaining.estimate(labels), !labels.isEmpty {
      text += "; about \(Format.duration(left)) left"
    }
    Output.note(text)
  }

  private func canLeaveOut(_ member: Int, after error: CommandError) -> Bool {
    guard comparison.field.isDefault, member > 0, case .child = error else { return false }
    return error.category == .usage || error.category == .badData
  }

  private func save(isComplete: Bool) throws(StorageError) {
    let folder = comparison.recipe.output.absolute
    try Folder.create(folder)
    try report.record(isComplete: isComplete).write(to: folder + "/compare.json")
  }
}
