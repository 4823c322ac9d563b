import Compilation
import Execution
import Records
import Runs
import Storage
import Tensors
import TestSupport
import Testing
import Training

/// What a run's matmuls multiply where the recipe leaves it open.
@Suite struct PrecisionDecisionTests {
  private static let culprit = "layers[1].mlp.down"

  /// Whether this CPU has the instructions that `auto` asks for.
  private static let isNarrow = (try? Kernels.forThisMachine().multipliesBF16) ?? false

  @Test func tameModelsMultiplyIntegersEverywhere() throws {
    let fixture = try RunsFixture(elementType: .int8)
    let prepared = try fixture.prepared()
    #expect(prepared.settings.precision == (Self.isNarrow ? .int8 : .f32))
    let record = prepared.precision.record
    #expect((record != nil) == Self.isNarrow)
    if let record {
      #expect(record.chosenLoss == record.int8Loss && record.keptInBF16.isEmpty)
    }
  }

  @Test(arguments: [ElementType.f32, .bf16])
  func otherModelsAreNotMeasured(_ type: ElementType) throws {
    let prepared = try RunsFixture(elementType: type, hasOutlier: true).prepared()
    #expect(prepared.settings.precision == (Self.isNarrow ? .bf16 : .f32))
    #expect(prepared.precision.record == nil)
  }

  @Test func whatTheRecipeSaysHoldsEverywhere() throws {
    let fixture = try RunsFixture(elementType: .int8, hasOutlier: true)
    for precision in Precision.allCases {
      let prepared = try fixture.prepared("run.precision=\(precision.rawValue)")
      #expect(prepared.settings.precision == ProductPrecision(precision))
      #expect(prepared.precision.record == nil)
    }
  }

  @Test(.enabled(if: isNarrow))
  func outliersKeepTheirMatrixInBF16() throws {
    let fixture = try RunsFixture(elementType: .int8, hasOutlier: true)
    let first = try fixture.prepared()
    let kept = first.settings.precision.keptInBF16
    #expect(first.settings.precision.base == .int8 && kept.contains(Self.culprit))
    #expect(kept.count < 10, "\(kept.sorted())")
    let record = try #require(first.precision.record)
    let (bf16, int8, chosen) = try (
      #require(record.bf16Loss), #require(record.int8Loss), #require(record.chosenLoss)
    )
    #expect(abs(int8 / bf16 - 1) > ProductSelection.bound)
    #expect(abs(chosen / bf16 - 1) <= ProductSelection.bound)
    // Again from what is remembered, and measured anew in another folder.
    #expect(try fixture.prepared("seed=2").precision.record == record)
    var other = try #require(try fixture.prepared("output=other").precision.record)
    other.seconds = record.seconds
    #expect(other == record)
    // Another shape is another measurement.
    #expect(try fixture.prepared("run.batch_size=3").precision.record?.key != record.key)
  }

  @Test(.enabled(if: isNarrow))
  func plansAndEventsSayIt() throws {
    let fixture = try RunsFixture(elementType: .int8, hasOutlier: true)
    let prepared = try fixture.prepared()
    let kept = prepared.settings.precision.keptInBF16.sorted()
    let plan = try PlanReport(PlannedRun(prepared, MethodDecision(unmeasured: prepared))).json
    #expect(plan["precision"]?.string == "int8")
    #expect(plan["kept_in_bf16"]?.array?.compactMap(\.string) == kept)
    #expect(plan["precision_choice"]?["bf16_loss"]?.double != nil)
    let events = try fixture.train().events
    guard case .start(let start) = events.first else {
      Issue.record("no start")
      return
    }
    #expect(
      start.precision == "int8 weights, int8 arithmetic, bf16 for \(kept.count) matrices")
  }

  /// A resumed run takes what its state says, not what would be measured now.
  @Test(.enabled(if: isNarrow))
  func resumedRunsKeepTheChoice() throws {
    let fixture = try RunsFixture(elementType: .int8, hasOutlier: true)
    let whole = try fixture.train("output=whole").events
    let first = try fixture.train(stopAfter: 2).events
    let cached = fixture.folder["run/cache/precision.json"]
    #expect(Folder.exists(cached))
    var record = try #require(PrecisionRecord(file: cached))
    (record.precision, record.keptInBF16) = ("bf16", [])
    try record.write(to: cached)
    let second = try fixture.train(resuming: true).events
    #expect((first + second).steps.map(\.loss) == whole.steps.map(\.loss))
    #expect(try fixture.prepared().settings.precision == .bf16)
  }
}
