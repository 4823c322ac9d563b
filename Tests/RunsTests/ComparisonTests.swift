import Recipes
import Records
import Reports
import Runs
import TestSupport
import Testing

/// Methods side by side; who trains them is handed in.
@Suite struct ComparisonTests {
  private func comparison(
    _ fixture: RunsFixture, _ overrides: [String], seeds: ClosedRange<Int> = 1...1,
    observe: @escaping Comparison.Observer = { _ in }
  ) throws -> Comparison {
    let recipe = try Recipe.load(path: fixture.recipe, overrides: overrides)
    return Comparison(
      recipePath: fixture.recipe, overrides: overrides, recipe: recipe,
      cache: fixture.folder["run/cache"], seeds: seeds, observe: observe)
  }

  /// Trains a member here rather than in a process of its own.
  private func train(_ member: ComparisonMember) throws -> ComparisonRow {
    var record = RunRecord()
    let prepared = try PreparedRun(
      recipe: member.recipePath, overrides: member.overrides, cache: member.cache)
    let run = try TrainingRun(
      try PlannedRun(prepared, try MethodDecision(prepared)),
      in: RunFolder(member.output, overwrites: true),
      observe: { event throws(ReportError) in record.add(event) })
    _ = try run.train()
    return try #require(record.row(label: member.label, seed: member.seed, deltaBytes: nil))
  }

  @Test func membersAreRunsOfTheirOwn() throws {
    let fixture = try RunsFixture()
    var done: [Int] = []
    var comparison = try comparison(
      fixture, [#"compare=[{"type": "norms"}]"#], seeds: 1...2,
      observe: { event in
        if case .row(_, let progress) = event { done.append(progress.done) }
      })
    try comparison.run(train)
    let rows = comparison.report.rows
    #expect(rows.map(\.label) == ["full", "norms", "full", "norms"])
    #expect(rows.map(\.seed) == [1, 1, 2, 2] && done == [1, 2, 3, 4])
    #expect(rows.allSatisfy { ($0.deltaBytes ?? 0) > 0 && $0.finalLoss != nil })
    let record = try #require(ComparisonRecord(file: fixture.folder["run/compare.json"]))
    #expect(record.isComplete && record.rows == rows && record.verdict != nil)
  }

  /// The recipe's own run is taken from the events that it has left.
  @Test func theOwnRunCountsAsTheFirst() throws {
    let fixture = try RunsFixture()
    let summary = try fixture.train().summary
    var comparison = try comparison(fixture, [#"compare=[{"type": "norms"}]"#])
    try comparison.addOwnRun(summary)
    var trained: [String] = []
    try comparison.run { member in
      trained.append(member.label)
      return try train(member)
    }
    #expect(trained == ["norms"])
    #expect(comparison.report.rows.first?.finalLoss == summary.finalValidationLoss)
  }

  /// A default baseline that can't run is left out; one that the recipe names is not.
  @Test func baselinesThatFail() throws {
    let fixture = try RunsFixture()
    let failure = RunsError.member(label: "x", problem: "does not fit", category: .usage)
    func fails(_ member: ComparisonMember) throws -> ComparisonRow {
      guard member.label == "full" else { throw failure }
      return ComparisonRow(method: "full", label: "full", seed: member.seed)
    }
    var byDefault = try comparison(fixture, [])
    try byDefault.run(fails)
    #expect(byDefault.report.leftOut.count == byDefault.field.members.count - 1)
    #expect(byDefault.report.leftOut.first?.reason == "the run of 'x' does not fit")
    var named = try comparison(fixture, [#"compare=[{"type": "norms"}]"#])
    #expect(throws: RunsError.self) { try named.run(fails) }
    let record = try #require(ComparisonRecord(file: fixture.folder["run/compare.json"]))
    #expect(!record.isComplete && record.rows.count == 1)
    // What ended the comparison does not keep it from having its page.
    let page = String(decoding: try fixture.folder.read("run/report.html"), as: UTF8.self)
    #expect(page.contains("Not complete: 1 runs have ended so far"))
  }
}
