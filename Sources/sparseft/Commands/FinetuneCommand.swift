import ArgumentParser
import Recipes
import Records
import Reports
import Training

#if canImport(Glibc)
  import Glibc
#endif

struct FinetuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "finetune", abstract: "Trains as the recipe says; the main job.")

  @OptionGroup var arguments: RecipeArguments

  @Flag(help: "Go on from the run's last snapshot.")
  var resume = false

  @Option(help: .hidden)
  var cache: String?

  @Flag(help: .hidden)
  var only = false

  func run() throws {
    Interruption.listen()
    let (recipe, cache, summary) = try train()
    guard summary.reason != .interrupted else {
      Output.note("stopped; go on with: sparseft finetune \(arguments.commandLine) --resume")
      throw ExitCode(ExitStatus.interrupted)
    }
    guard !only, !recipe.compare.isEmpty else { return }
    let comparison = Comparison(
      recipePath: arguments.recipe, overrides: arguments.overrides, recipe: recipe, cache: cache)
    var job = ComparisonJob(
      comparison, seeds: recipe.seed...recipe.seed, json: arguments.json,
      line: { ["type": "comparison", "row": $0.json] })
    let folder = recipe.output.absolute
    // The file also has the steps before an interruption, if this run went on from one.
    let record = try RunRecord(eventFile: folder + "/events.jsonl")
    let delta = Comparison.deltaBytes(folder)
    if let row = record.row(label: job.subject, seed: recipe.seed, deltaBytes: delta) {
      try job.add(row, seconds: summary.seconds)
    }
    try job.run()
  }

  /// Trains the recipe's own method. Everything it holds is gone when it returns, so that baselines
  /// find the machine's memory free.
  private func train() throws -> (recipe: Recipe, cache: String, summary: RunSummary) {
    let prepared = try PreparedRun(
      recipe: arguments.recipe, overrides: arguments.overrides, cache: cache)
    let progress = AnalysisLine(isQuiet: arguments.json)
    let decision =
      resume
      ? try MethodDecision(resuming: prepared)
      : try MethodDecision(prepared, observe: progress.show)
    progress.finish()
    let run = try PlannedRun(prepared, decision)
    let job = try FinetuneJob(run, resuming: resume, json: arguments.json)
    let summary = try job.train(resuming: resume)
    return (run.recipe, cache ?? run.recipe.output.absolute + "/cache", summary)
  }
}
