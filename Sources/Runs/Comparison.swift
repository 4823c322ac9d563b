import Recipes
import Records
import Reports
import Storage
import Tensors
import Training

/// Trains methods one after the other on the same batches. Every method runs with every seed,
/// `compare.json` is written after each run, and a table and a verdict follow from all of them.
///
/// Who trains a member is handed in: a process of its own for each keeps its peak of memory its own.
public struct Comparison {
  /// Trains a member; its row need not say how large its delta is.
  public typealias Trainer = (ComparisonMember) throws -> ComparisonRow
  /// Told each event, a row once `compare.json` has it.
  public typealias Observer = (ComparisonEvent) -> Void

  public let recipe: Recipe
  public let field: ComparisonField
  private let recipePath: String
  private let overrides: [String]
  private let cache: String
  private let observe: Observer
  /// Runs of all methods and seeds.
  private let total: Int
  /// Runs to come: indices into the field and seeds, all methods of a seed before the next one.
  private var pending: ArraySlice<(member: Int, seed: Int)>
  public private(set) var report: ComparisonReport
  private var remaining = RemainingTime()

  /// - Parameters:
  ///   - recipePath: the recipe's file.
  ///   - overrides: `key=value` each; `recipe` is what the file and they say.
  ///   - cache: the folder of token ids that all runs share.
  ///   - seeds: seeds of every method.
  public init(
    recipePath: String, overrides: [String], recipe: Recipe, cache: String,
    seeds: ClosedRange<Int>, observe: @escaping Observer = { _ in }
  ) {
    self.recipePath = recipePath
    self.overrides = overrides
    self.recipe = recipe
    self.cache = cache
    self.observe = observe
    let field = ComparisonField(recipe)
    self.field = field
    let runs = seeds.flatMap { seed in field.members.indices.map { (member: $0, seed: seed) } }
    total = runs.count
    pending = runs[...]
    report = ComparisonReport(
      subject: field.members[0].label, reference: field.members[field.reference].label)
  }

  /// Runs all that is to come.
  ///
  /// - Throws: what `train` throws; rows so far stay in `compare.json`. A default baseline that does
  ///   not fit the machine or the budget, or diverges, is left out instead.
  public mutating func run(_ train: Trainer) throws {
    while let next = pending.first {
      let member = member(next.member, seed: next.seed)
      let start = ContinuousClock.now
      do {
        var row = try train(member)
        row.deltaBytes = Self.deltaBytes(of: member.output)
        try add(row, seconds: (ContinuousClock.now - start).seconds)
      } catch let error as RunsError where canLeaveOut(next.member, after: error) {
        pending.removeFirst()
        let leftOut = ComparisonRecord.LeftOut(
          label: member.label, seed: next.seed, reason: error.description)
        report.leftOut.append(leftOut)
        observe(.leftOut(leftOut))
      }
    }
    try save(isComplete: true)
    observe(.finished(report))
  }

  /// Takes in the row of the next run, which is over.
  ///
  /// - Parameter seconds: what it took by the clock.
  /// - Throws: `StorageError` if `compare.json` can't be written.
  public mutating func add(_ row: ComparisonRow, seconds: Double) throws(StorageError) {
    pending.removeFirst()
    report.rows.append(row)
    remaining.add(row.label, seconds: seconds)
    try save(isComplete: false)
    let labels = pending.map { field.members[$0.member].label }
    observe(
      .row(
        row,
        ComparisonEvent.Progress(
          done: total - pending.count, total: total, seconds: seconds,
          secondsLeft: labels.isEmpty ? nil : remaining.estimate(labels))))
  }

  /// Takes in a run of the recipe's own method that has left its events in the recipe's folder, the
  /// ones before an interruption included.
  ///
  /// - Parameter summary: of the run's last part.
  /// - Throws: `StorageError` if its events can't be read or `compare.json` can't be written.
  public mutating func addOwnRun(_ summary: RunSummary) throws(StorageError) {
    let folder = recipe.output.absolute
    let record = try RunRecord(eventFile: folder + "/events.jsonl")
    guard
      let row = record.row(
        label: report.subject, seed: recipe.seed, deltaBytes: Self.deltaBytes(of: folder))
    else { return }
    try add(row, seconds: summary.seconds)
  }

  private func canLeaveOut(_ member: Int, after error: RunsError) -> Bool {
    guard field.isDefault, member > 0, case .member = error else { return false }
    return error.category == .usage || error.category == .badData
  }

  private func save(isComplete: Bool) throws(StorageError) {
    let folder = recipe.output.absolute
    try Folder.create(folder)
    try report.record(isComplete: isComplete).write(to: folder + "/compare.json")
  }
}

extension Comparison {
  /// A member of the field as a run with a folder of its own.
  private func member(_ index: Int, seed: Int) -> ComparisonMember {
    let member = field.members[index]
    let slug = String(member.label.map { $0.isLetter || $0.isNumber ? $0 : "-" })
    let output = "\(recipe.output.absolute)/compare/\(index)-\(slug)-\(seed)"
    return ComparisonMember(
      label: member.label, seed: seed, recipePath: recipePath,
      overrides: overrides + [
        "method=\(methodJSON(member.entry))", "compare=[]", "run.sample=null", "seed=\(seed)",
        "output=\(output)",
      ], cache: cache, output: output)
  }

  /// The resolved form of the entry, so that overrides and defaults are those of this recipe.
  private func methodJSON(_ entry: MethodEntry) -> String {
    var copy = recipe
    copy.method = entry
    return (copy.resolvedJSON["method"] ?? .null).encoded()
  }

  /// The size of the best snapshot's delta in a run's folder; nil without one.
  private static func deltaBytes(of folder: String) -> Int? {
    let path = SnapshotStore(folder: folder, method: .null, recipe: .null).deltaPath(.best)
    return (try? MappedFile(path: path))?.bytes.count
  }
}

/// A method with a seed, as one run of a comparison.
public struct ComparisonMember: Hashable, Sendable {
  /// What the comparison calls the method.
  public let label: String
  public let seed: Int
  public let recipePath: String
  /// Those of the comparison, and what makes the recipe this member's.
  public let overrides: [String]
  /// The folder of token ids that all runs share.
  public let cache: String
  /// The run's own folder.
  public let output: String
}

/// What happens in a comparison.
public enum ComparisonEvent: Sendable {
  /// A run is over.
  case row(ComparisonRow, Progress)
  /// A default baseline could not run.
  case leftOut(ComparisonRecord.LeftOut)
  /// All runs are over.
  case finished(ComparisonReport)

  /// How far the comparison has come.
  public struct Progress: Hashable, Sendable {
    /// Runs that are over, of so many.
    public let done: Int
    public let total: Int
    /// What the last one took by the clock.
    public let seconds: Double
    /// What the others will take, if anything is known of that; nil after the last one.
    public let secondsLeft: Double?
  }
}
