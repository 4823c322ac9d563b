import ArgumentParser
import Recipes
import Runs

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Trains the recipe's method and its baselines side by side on the same text.",
    discussion: """
      Each method runs in its own process, so that its peak memory is its own. If the recipe's \
      'compare' list is empty, the baselines are LoRA (on all linear maps; on query and value), \
      full fine-tuning, sparse training of the last and of random tensors under the same budget, and \
      norms, each at a learning rate found for it. Runs, summaries and the verdict are written to \
      compare.json in the output folder; docs/comparisons.md says how to read them.
      """)

  @OptionGroup var arguments: RecipeArguments

  @Option(help: "How many seeds to run every method with, counting up from the recipe's seed.")
  var seeds = 1

  @Flag(help: "Replace what is in the output folder, which is set aside otherwise.")
  var overwrite = false

  func validate() throws {
    guard (1...1000).contains(seeds) else { throw ValidationError("--seeds takes 1 to 1000") }
  }

  func run() throws {
    Interruption.listen()
    let recipe = try Recipe.load(path: arguments.recipe, overrides: arguments.overrides)
    guard recipe.seed <= Int.max - seeds + 1 else {
      throw ValidationError("seed \(recipe.seed) leaves no room for \(seeds) seeds from it on")
    }
    let folder = try RunFolder(recipe.output.absolute, overwrites: overwrite)
    if let notice = try folder.makeRoom() { Output.note(notice) }
    Interruption.measure()
    let reporter = ComparisonReporter(json: arguments.json)
    var comparison = Comparison(
      recipePath: arguments.recipe, overrides: arguments.overrides, recipe: recipe,
      cache: recipe.output.absolute + "/cache", seeds: recipe.seed...recipe.seed + (seeds - 1),
      observe: reporter.handle)
    defer { if !arguments.json { Output.notePage(in: recipe.output.absolute) } }
    try withExtendedLifetime(folder) { try comparison.run { try ChildRun($0).run() } }
  }
}
