import Storage
import TestSupport
import Testing

/// A recipe that can't be run: the exit code that scripts see and the whole text that people read.
struct WrongRecipe: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let exitCode: Int32
  /// What stands in `recipe.json`; nil for the workshop's own recipe.
  let text: String?
  /// The path given; another one than `recipe.json` is not there, or no file.
  let recipe: String
  let overrides: [String]
  /// Standard error after "error: ", with FOLDER for the test's folder and N for figures that
  /// depend on the machine.
  let says: String

  init(
    _ name: String, exitCode: Int32, recipe: String = "recipe.json", text: String? = nil,
    overrides: [String] = [], says: String
  ) {
    testDescription = name
    self.exitCode = exitCode
    self.text = text
    self.recipe = recipe
    self.overrides = overrides
    self.says = says
  }
}

/// What people see who made a mistake: nothing runs, and the message is the one committed here.
@Suite struct WrongRecipeTests {
  @Test(arguments: WrongRecipe.keys + WrongRecipe.files)
  func isExplained(_ wrong: WrongRecipe) throws {
    let shop = try Workshop()
    try addFiles(to: shop.folder)
    if let text = wrong.text { try shop.folder.write(text, to: "recipe.json") }
    let before = shop.files
    let outcome = try shop.sparseft.run(["finetune", wrong.recipe] + wrong.overrides)
    #expect(outcome.exitCode == wrong.exitCode)
    #expect(neutral(outcome.error, shop.folder) == "error: \(wrong.says)\n")
    #expect(outcome.output == "")
    // Token ids may be cached already; a run's folder is not made for a run that can't start.
    #expect(shop.files.filter { !$0.hasPrefix("run/cache/") } == before)
  }

  /// `plan` and `compare` say what `finetune` says.
  @Test(arguments: ["plan", "compare"])
  func otherCommandsSayTheSame(_ command: String) throws {
    let shop = try Workshop()
    let arguments = ["recipe.json", "method.type=lorra"]
    let outcome = try shop.sparseft.run([command] + arguments)
    let finetune = try shop.sparseft.run(["finetune"] + arguments)
    #expect(outcome.exitCode == 64)
    #expect(outcome.error == finetune.error)
  }

  private func addFiles(to folder: TemporaryFolder) throws {
    try Folder.create(folder["empty"])
    try folder.write("the cat", to: "short.txt")
    try folder.write(" \n\n", to: "blank.txt")
    try folder.write(Array("the cat".utf8) + [0xFF], to: "binary.txt")
    try folder.write("the\0cat", to: "zero.txt")
    try folder.write("{\"text\": \"the cat\"}\n{\"txt\": \"x\"}\n", to: "rows.jsonl")
    try folder.write("x", to: "file")
  }

  private func neutral(_ text: String, _ folder: TemporaryFolder) -> String {
    text.replacing(folder.path, with: "FOLDER").replacing(/[0-9.]+ MB/, with: "N MB")
  }
}
