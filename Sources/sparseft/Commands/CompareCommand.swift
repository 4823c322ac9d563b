import ArgumentParser
import Recipes

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Trains the recipe's method and its baselines side by side on the same text.",
    discussion: "Each method runs in a process of its own, so that every peak is that method's.")

  @OptionGroup var arguments: RecipeArguments

  @Option(help: "Repeat every method with this many seeds.")
  var seeds = 1

  func validate() throws {
    guard (1...1000).contains(seeds) else { throw ValidationError("--seeds takes 1 to 1000") }
  }

  func run() throws {
    Interruption.listen()
    let recipe = try Recipe.load(path: arguments.recipe, overrides: arguments.overrides)
    let comparison = Comparison(
      recipePath: arguments.recipe, overrides: arguments.overrides, recipe: recipe,
      cache: recipe.output.absolute + "/cache")
    var rows: [ComparisonRow] = []
    for seed in recipe.seed..<recipe.seed + seeds {
      for (index, entry) in ([recipe.method] + recipe.compare).enumerated() {
        let row = try comparison.run(entry, index: index, seed: seed)
        if arguments.json { Output.print(row.json) }
        rows.append(row)
      }
    }
    guard !arguments.json else { return }
    Output.print("\n" + Comparison.table(rows))
    if seeds == 1, let verdict = Comparison.verdict(rows) { Output.print("\n" + verdict) }
  }
}
