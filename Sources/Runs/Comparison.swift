import Pages
import Recipes
import Records
import Reports
import Storage
import Tensors
import Training

/// Trains several methods one after the other on the same batches.
///
/// Every method runs with every seed, `compare.json` is written after each run, and a table and a
/// verdict follow from all of them. The caller provides the function that trains a member: with a
/// process of its own for each member, peak memory is measured separately.
public struct Comparison {
  /// Trains a member; the returned row may omit the size of its delta.
  public typealias Trainer = (ComparisonMember) throws -> ComparisonRow
  /// Called with each event; with a row once `compare.json` contains it.
  public typealias Observer = (ComparisonEvent) -> Void

  public let recipe: Recipe
  public let field: ComparisonField
  private let recipePath: String
  private let overrides: [String]
  private let cache: String
  private let observe: Observer
  /// The number of runs: methods times seeds.
  private let total: Int
  /// Runs not yet done: indices into the field and seeds, all methods of a seed before the next
  /// seed.
  private var pending: ArraySlice<(member: Int, seed: Int)>
  public private(set) var report: ComparisonReport
  private var remaining = RemainingTime()

  /// - Parameters:
  ///   - recipePath: the recipe's file.
  ///   - overrides: `key=value` each; `recipe` is the file's recipe with them applied.
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

  /// Runs all pending runs, and writes the page of them, also of those before an error.
  ///
  /// - Throws: what `train` throws; finished rows stay in `compare.json`. A default baseline that
  ///   does not fit the machine or the budget, or diverges, is left out instead.
  public mutating func run(_ train: Trainer) throws {
    do {
      try runPending(train)
    } catch {
      // What ended the comparison is what is to be told.
      try? RunPage.write(in: recipe.output.absolute)
      throw error
    }
    try save(isComplete: true)
    try RunPage.write(in: recipe.output.absolute)
    observe(.finished(report))
  }

  private mutating func runPending(_ train: Trainer) throws {
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
  }

  /// Adds the row of the next pending run, which has ended.
  ///
  /// - Parameter seconds: the run's wall-clock time.
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

  /// Adds a run of the recipe's own method from the events in the recipe's folder, those before an
  /// interruption included.
  ///
  /// - Parameter summary: the summary of the run's last part.
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
  /// A member of the field as a run with an output folder of its own.
  private func member(_ index: Int, seed: Int) -> ComparisonMember {
    let member = field.members[index]
    let name = MemberName.text(index: index, label: member.label, seed: seed)
    let output = "\(recipe.output.absolute)/compare/\(name)"
    return ComparisonMember(
      label: member.label, seed: seed, recipePath: recipePath,
      overrides: overrides + [
        "method=\(methodJSON(member.entry))", "compare=[]", "run.sample=null", "seed=\(seed)",
        "output=\(output)",
      ], cache: cache, output: output)
  }

  /// The entry in resolved form, with the overrides and defaults of this recipe.
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
  /// The comparison's overrides, and those that select this member's method and seed.
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

  /// The progress of the comparison.
  public struct Progress: Hashable, Sendable {
    /// Runs that have ended, and runs in total.
    public let done: Int
    public let total: Int
    /// The last run's wall-clock time.
    public let seconds: Double
    /// Estimated seconds of the remaining runs; nil if unknown and after the last run.
    public let secondsLeft: Double?
  }
}
