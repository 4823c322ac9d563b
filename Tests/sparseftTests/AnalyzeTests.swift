import Storage
import TestSupport
import Testing

/// `analyze`, and what `finetune` makes of its findings.
@Suite struct AnalyzeTests {
  private static let auto = #"{"type": "sparse", "budget": {"step_flops": 0.8}}"#
  /// A run that is long enough to measure everything, at a learning rate to be found.
  private static let settings = [
    "run.steps=60", "analysis.share=60", "optimizer.learning_rate=auto",
  ]

  private func analyse(_ shop: Workshop, _ more: String...) throws -> Outcome {
    try shop.succeed(["analyze", "recipe.json"] + Self.settings + more)
  }

  @Test func findsAndKeepsContributions() throws {
    let shop = try Workshop(method: Self.auto)
    let outcome = try analyse(shop, "--json")
    let json = try #require(try outcome.jsonLines().first)
    #expect(try outcome.jsonLines().count == 1)
    #expect(Contract.analysis.isSubset(of: json.keys))
    let tensors = try #require(json["tensors"]?.array)
    #expect(tensors.count >= 7 * 3 + 1)
    for tensor in tensors { #expect(Contract.analysedTensor.isSubset(of: tensor.keys)) }
    #expect(json["step_time"]?.double ?? 1 <= 0.8)
    #expect(try shop.json("run/contributions.json") == json)
    #expect(!shop.files.contains { $0.contains("candidates") || $0.contains("events.jsonl") })
  }

  @Test func peopleSeeMapCandidatesAndReasons() throws {
    let shop = try Workshop(method: Self.auto)
    let outcome = try analyse(shop, "run.steps=100")
    for text in [
      "block 2", "query", "down", "nats, · within the noise, [ ] trained", "chosen",
      "\"auto\": ", "decided by training", "learning rate ",
    ] {
      #expect(outcome.output.contains(text), "\(text)")
    }
    #expect(outcome.error.contains("analysis, candidates"))
  }

  /// A run of the same recipe takes the findings over and measures nothing; its losses are those of
  /// a run that goes on from its own analysis.
  @Test func finetuneUsesWhatIsKnown() throws {
    let shop = try Workshop(method: Self.auto)
    let arguments = ["finetune", "recipe.json", "--json"] + Self.settings
    let first = try shop.succeed(arguments).jsonLines()
    let second = try shop.succeed(arguments).jsonLines()
    func losses(_ events: [JSONValue]) -> [Double] {
      events.filter { $0["type"] == "step" }.compactMap { $0["loss"]?.double }
    }
    #expect(first.contains { $0["type"] == "analysis" })
    #expect(!second.contains { $0["type"] == "analysis" })
    #expect(second.first?["choice"]?.string?.contains("as measured before") == true)
    #expect(losses(first) == losses(second) && losses(first).count == 60)
    #expect(first.last?["final_validation_loss"] == second.last?["final_validation_loss"])
    #expect(first.last?["initial_validation_loss"] == second.last?["initial_validation_loss"])
    // Another budget is another question.
    let third = try shop.succeed(arguments + ["method.budget.step_flops=0.7"]).jsonLines()
    #expect(third.contains { $0["type"] == "analysis" })
  }

  /// The whole event stream of a run that measured first.
  @Test func theStreamTellsWhatWasMeasured() throws {
    let shop = try Workshop(method: Self.auto)
    let events = try shop.succeed(
      ["finetune", "recipe.json", "--json"] + Self.settings
    ).jsonLines()
    let types = events.compactMap { $0["type"]?.string }
    #expect(Array(types.prefix(5)) == ["start", "plan", "memory", "analysis", "validation"])
    let steps = events.filter { $0["type"] == "step" }.compactMap { $0["step"]?.int }
    #expect(steps == Array(1...60))
    let analysis = try #require(events.first { $0["type"] == "analysis" })
    #expect(analysis["seconds"]?.double ?? 0 > 0)
    #expect(analysis["learning_rate"] == events.first?["learning_rate"])
    #expect(!shop.files.contains { $0.contains("candidates") })
  }

  /// Every method's "auto" rate is calibrated, kept, and found again.
  @Test func ratesAreCalibratedForEveryMethod() throws {
    let shop = try Workshop(method: #"{"type": "lora", "rank": 4}"#)
    let arguments = ["finetune", "recipe.json", "--json"] + Self.settings
    let first = try shop.succeed(arguments).jsonLines()
    let analysis = try #require(first.first { $0["type"] == "analysis" })
    #expect(analysis["calibration"]?.array?.count ?? 0 >= 3)
    let second = try shop.succeed(arguments).jsonLines()
    #expect(first.first?["learning_rate"] == second.first?["learning_rate"])
    #expect(!second.contains { $0["type"] == "analysis" })
    #expect(first.last?["final_validation_loss"] == second.last?["final_validation_loss"])
  }

  @Test func aMethodWithoutAChoiceIsRefused() throws {
    let shop = try Workshop()
    let outcome = try shop.sparseft("analyze", "recipe.json")
    #expect(outcome.exitCode == 64)
    #expect(outcome.error.contains("set method.type=auto, or"))
  }

  @Test func aBudgetThatNothingFitsIsRefused() throws {
    let shop = try Workshop(method: Self.auto)
    let outcome = try shop.sparseft("analyze", "recipe.json", "method.budget.memory_mb=1")
    #expect(outcome.exitCode == 64)
    #expect(outcome.error.contains("nothing fits method.budget; the smallest choice needs"))
  }

  /// `plan` trains nothing, so it says what is known before an analysis.
  @Test func planNeedsNoAnalysis() throws {
    let shop = try Workshop(method: Self.auto)
    let outcome = try shop.succeed(["plan", "recipe.json", "--json"] + Self.settings)
    let plan = try #require(try outcome.jsonLines().first)
    #expect(plan["choice"]?.string?.contains("is decided when the run starts") == true)
    _ = try analyse(shop)
    let later = try shop.succeed(["plan", "recipe.json", "--json"] + Self.settings)
    #expect(
      try later.jsonLines().first?["choice"]?.string?.contains("as measured before") == true)
  }

  /// Ctrl-C after the run went on from its analysis: `--resume` reaches the same losses.
  @Test func anInterruptedRunGoesOn() throws {
    let shop = try Workshop(method: Self.auto)
    let arguments = ["finetune", "recipe.json", "--json"] + Self.settings
    let whole = try shop.succeed(arguments + ["output=whole"]).jsonLines()
    let stopped = try shop.sparseft.run(arguments) { $0.contains(#""type":"step","step":40,"#) }
    #expect(stopped.exitCode == 130 || stopped.exitCode == 0)
    let resumed = try shop.succeed(arguments + ["--resume"]).jsonLines()
    #expect(
      whole.last?["final_validation_loss"] == resumed.last?["final_validation_loss"])
    #expect(whole.last?["initial_validation_loss"] == resumed.last?["initial_validation_loss"])
    #expect(!resumed.contains { $0["type"] == "analysis" })
    // A longer run is the same run: what was chosen stays chosen.
    let longer = try shop.succeed(arguments + ["--resume", "--accept-changes", "run.steps=64"])
      .jsonLines()
    #expect(!longer.contains { $0["type"] == "analysis" })
    #expect(longer.first?["learning_rate"] == whole.first?["learning_rate"])
    #expect(longer.filter { $0["type"] == "step" }.map { $0["step"]?.int } == [61, 62, 63, 64])
  }

  /// Nothing is measured for a run that can't go on.
  @Test func resumingNothingMeasuresNothing() throws {
    let shop = try Workshop(method: Self.auto)
    let outcome = try shop.sparseft.run(
      ["finetune", "recipe.json", "--resume"] + Self.settings)
    #expect(outcome.exitCode == 66)
    #expect(outcome.error.contains("start the run without it"))
    #expect(!shop.files.contains { $0.contains("contributions") || $0.contains("candidates") })
  }

  /// A second comparison finds what the first one measured, and counts its time.
  @Test func analysisTimeCountsAlsoWhereItIsKnown() throws {
    let shop = try Workshop(method: Self.auto)
    let arguments = ["finetune", "recipe.json", "--json"] + Self.settings
    let first = try shop.succeed(arguments).jsonLines()
    let second = try shop.succeed(arguments).jsonLines()
    let seconds = try #require(first.first { $0["type"] == "analysis" }?["seconds"]?.double)
    #expect(seconds > 0 && second.first?["analysis_seconds"]?.double == seconds)
  }
}
