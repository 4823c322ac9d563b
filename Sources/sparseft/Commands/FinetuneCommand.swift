import ArgumentParser
import Recipes
import Records
import Reports
import Runs
import Training

struct FinetuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "finetune", abstract: "Fine-tunes a model as a recipe says; the main command.")

  @OptionGroup var arguments: RecipeArguments

  @Flag(help: "Continue from the run's last snapshot.")
  var resume = false

  @Flag(help: "Resume even if settings or texts have changed since the snapshot.")
  var acceptChanges = false

  @Flag(help: "Replace the run in the output folder, which is set aside otherwise.")
  var overwrite = false

  @Option(help: .hidden)
  var cache: String?

  @Flag(help: .hidden)
  var only = false

  func validate() throws {
    guard !resume || !overwrite else {
      throw ValidationError("--resume goes on with the run that --overwrite replaces; give one")
    }
    guard resume || !acceptChanges else {
      throw ValidationError("--accept-changes belongs to --resume")
    }
  }

  func run() throws {
    Interruption.listen()
    if only { Interruption.followParent() }
    let recipe = try Recipe.load(path: arguments.recipe, overrides: arguments.overrides)
    let folder = try RunFolder(
      recipe.output.absolute, resuming: resume, overwrites: overwrite)
    let cache: String
    let summary: RunSummary
    do {
      (cache, summary) = try train(in: folder)
    } catch TrainingError.interrupted {
      Output.note(
        resume
          ? "stopped before another step; the run stays as it was saved"
          : "stopped before the first step; nothing was trained yet")
      try Interruption.checkOutput()
      throw ExitCode(Interruption.exitCode)
    }
    let saysPage = !only && !arguments.json
    guard summary.reason != .interrupted else {
      if saysPage { Output.notePage(in: recipe.output.absolute) }
      Output.note(
        "saved at step \(summary.steps); go on with: sparseft finetune \(arguments.commandLine) "
          + "--resume")
      try Interruption.checkOutput()
      throw ExitCode(Interruption.exitCode)
    }
    try Interruption.checkOutput()
    guard !only, !recipe.compare.isEmpty else {
      if saysPage { Output.notePage(in: recipe.output.absolute) }
      return
    }
    // This run is saved, and a comparison starts again.
    Interruption.measure()
    let reporter = ComparisonReporter(
      json: arguments.json, row: { ["type": "comparison", "row": $0.json] })
    var comparison = Comparison(
      recipePath: arguments.recipe, overrides: arguments.overrides, recipe: recipe, cache: cache,
      seeds: recipe.seed...recipe.seed, observe: reporter.handle)
    try comparison.addOwnRun(summary)
    defer { if saysPage { Output.notePage(in: recipe.output.absolute) } }
    try comparison.run { try ChildRun($0).run() }
  }

  /// Trains the recipe's own method. Releases all of its memory before returning, so that it is
  /// free for the baselines.
  private func train(
    in folder: RunFolder
  ) throws -> (cache: String, summary: RunSummary) {
    Heartbeat.begin(isQuiet: arguments.json || only)
    defer { Heartbeat.end() }
    let prepared = try PreparedRun(
      recipe: arguments.recipe, overrides: arguments.overrides, cache: cache, resuming: resume,
      acceptsChanges: acceptChanges, shouldStop: { Interruption.isRequested })
    PrivateOutput.follow(prepared)
    if let line = prepared.startLine, !arguments.json { Output.note(line) }
    if resume { Interruption.save() } else { Interruption.measure() }
    let progress = AnalysisLine(isQuiet: arguments.json)
    Heartbeat.end()
    let decision =
      resume
      ? try MethodDecision(resuming: prepared)
      : try MethodDecision(prepared, observe: progress.show)
    progress.finish()
    let reporter = try RunReporter(json: arguments.json)
    let run = try TrainingRun(
      try PlannedRun(prepared, decision), in: folder, resuming: resume
    ) { event in
      if case .step = event { Interruption.save() }
      do throws(ReportError) { try reporter.handle(event) } catch {
        Interruption.outputFailed(error)
      }
    }
    return (prepared.cacheFolder, try run.train())
  }
}
