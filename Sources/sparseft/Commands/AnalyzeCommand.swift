import ArgumentParser
import Contributions
import Recipes
import Records
import Reports
import Runs

struct AnalyzeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "analyze",
    abstract: "Measures which tensors are worth updating, without training.",
    discussion: """
      Makes short training runs on the recipe's model and text. The results are kept in the output \
      folder as contributions.json, and the next finetune of the same recipe uses them.
      """)

  @OptionGroup var arguments: RecipeArguments

  func run() throws {
    Interruption.listen()
    let recipe = try Recipe.load(path: arguments.recipe, overrides: arguments.overrides)
    let folder = try RunFolder(recipe.output.absolute)
    defer { withExtendedLifetime(folder) {} }
    let run = try PreparedRun(
      recipe: arguments.recipe, overrides: arguments.overrides,
      shouldStop: { Interruption.isRequested })
    PrivateOutput.follow(run)
    Interruption.measure()
    for line in run.textLines { Output.note(line) }
    let progress = AnalysisLine(isQuiet: false)
    let result = try run.analyse(observe: progress.show)
    progress.finish()
    if arguments.json {
      Output.print(result.record.json)
      return
    }
    Output.print(result.map(run.weights.configuration).text)
    Output.print("\n" + result.candidateTable.text + "\n")
    for line in result.explanation { Output.print(line) }
    Output.notePage(in: recipe.output.absolute)
  }
}
