import ArgumentParser
import Recipes
import Records
import Reports
import Runs

struct FinetuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "finetune", abstract: "Fine-tunes a model as a recipe says; the main command.")

  @OptionGroup var arguments: RecipeArguments

  @Flag(help: "Continue from the run's last snapshot.")
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
    let reporter = ComparisonReporter(
      json: arguments.json, row: { ["type": "comparison", "row": $0.json] })
    var comparison = Comparison(
      recipePath: arguments.recipe, overrides: arguments.overrides, recipe: recipe, cache: cache,
      seeds: recipe.seed...recipe.seed, observe: reporter.handle)
    try comparison.addOwnRun(summary)
    try comparison.run { try ChildRun($0).run() }
  }

  /// Trains the recipe's own method. Releases all of its memory before returning, so that it is
  /// free for the baselines.
  private func train() throws -> (recipe: Recipe, cache: String, summary: RunSummary) {
    let prepared = try PreparedRun(
      recipe: arguments.recipe, overrides: arguments.overrides, cache: cache, resuming: resume,
      shouldStop: { Interruption.isRequested })
    let progress = AnalysisLine(isQuiet: arguments.json)
    let decision =
      resume
      ? try MethodDecision(resuming: prepared)
      : try MethodDecision(prepared, observe: progress.show)
    progress.finish()
    let reporter = try RunReporter(json: arguments.json)
    let run = try TrainingRun(
      try PlannedRun(prepared, decision), resuming: resume, observe: reporter.handle)
    return (prepared.recipe, prepared.cacheFolder, try run.train())
  }
}
