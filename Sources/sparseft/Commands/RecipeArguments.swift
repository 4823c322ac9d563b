import ArgumentParser
import Recipes

/// Arguments of every command that reads a recipe.
struct RecipeArguments: ParsableArguments {
  @Argument(help: "The recipe, a JSON file (see docs/recipe.md).", completion: .file())
  var recipe: String

  @Argument(
    help: ArgumentHelp(
      "Values in place of the recipe's, by key: optimizer.learning_rate=1e-4 run.steps=20.",
      valueName: "key=value"),
    completion: .custom { _, _, word in word.contains("=") ? [] : Recipe.keyPaths.map { $0 + "=" } }
  )
  var overrides: [String] = []

  @Flag(help: "Write only JSON to standard output.")
  var json = false

  /// Recipe and overrides, quoted for a shell.
  var commandLine: String { ([recipe] + overrides).map(Self.quoted).joined(separator: " ") }

  private static func quoted(_ word: String) -> String {
    let plain = word.allSatisfy { $0.isLetter || $0.isNumber || "_-./=:,+@%".contains($0) }
    return plain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
  }

  func validate() throws {
    if let text = overrides.first(where: { !$0.contains("=") }) {
      throw ValidationError("'\(text)' is no override; write key=value, for example run.steps=20")
    }
  }
}

/// A model and the deltas to apply to it.
struct ModelArguments: ParsableArguments {
  @Option(help: "The checkpoint (.sfckpt).", completion: .file())
  var model: String

  @Option(
    help: ArgumentHelp("A delta to apply (.sfdelta); may be repeated.", valueName: "delta"),
    completion: .file())
  var delta: [String] = []
}
