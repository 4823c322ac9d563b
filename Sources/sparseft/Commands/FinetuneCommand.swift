import ArgumentParser
import Recipes
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
    let (recipe, cache, main) = try train()
    let others = only ? [] : recipe.compare
    guard !others.isEmpty, main.summary.reason != "interrupted" else {
      if main.summary.reason == "interrupted" {
        Output.note("stopped; go on with: sparseft finetune \(arguments.recipe) --resume")
        throw ExitCode(ExitStatus.interrupted)
      }
      return
    }
    let comparison = Comparison(
      recipePath: arguments.recipe, overrides: arguments.overrides, recipe: recipe, cache: cache)
    var rows = [main]
    for (index, entry) in others.enumerated() {
      rows.append(try comparison.run(entry, index: index, seed: recipe.seed))
    }
    if arguments.json {
      for row in rows { Output.print(["type": "comparison", "row": row.json]) }
    } else {
      Output.print("\n" + Comparison.table(rows))
      if let verdict = Comparison.verdict(rows) { Output.print("\n" + verdict) }
    }
  }

  /// Trains the recipe's own method. Everything it holds is gone when it returns, so that baselines
  /// find the machine's memory free.
  private func train() throws -> (recipe: Recipe, cache: String, row: ComparisonRow) {
    let run = try PreparedRun(
      recipe: arguments.recipe, overrides: arguments.overrides, cache: cache)
    let job = try FinetuneJob(run, resuming: resume, json: arguments.json)
    let summary = try job.train(resuming: resume)
    let row = ComparisonRow(
      method: run.recipe.method.method.type.rawValue, label: run.recipe.method.displayLabel,
      seed: run.recipe.seed, trainableParameters: run.step.trainableParameters,
      flopsPerToken: run.flopsPerToken, planSeconds: 0, summary: summary)
    return (run.recipe, cache ?? run.recipe.output.absolute + "/cache", row)
  }
}
