import Storage
import TestSupport
import Testing

@testable import Recipes

@Suite struct ShippedRecipesTests {
  @Test func summariesAreTheFirstSentence() {
    #expect(ShippedRecipes.summary(of: "// Makes a thing.\n// And more.\n{}") == "Makes a thing")
    #expect(
      ShippedRecipes.summary(of: "// Tunes it on\n// pairs; rows as in x\n{}")
        == "Tunes it on pairs")
    #expect(ShippedRecipes.summary(of: "{}") == "")
  }

  /// Built, the recipes are above the binary; installed, in share.
  @Test func recipesAreFound() throws {
    let folder = try TemporaryFolder()
    try folder.write(Array("// One.\n{\"model\": \"../a\"}".utf8), to: "recipes/quickstart.json")
    try folder.write(Array("{}".utf8), to: "recipes/recipe.schema.json")
    let built = try ShippedRecipes(program: folder["x/y/sparseft"])
    #expect(try built.entries() == [.init(name: "quickstart", summary: "One")])
    #expect(try built.starter("quickstart") == "// One.\n{\"model\": \"a\"}")
    #expect(throws: RecipeError.self) { try built.starter("../quickstart") }
    try folder.write(Array("{}".utf8), to: "usr/share/sparseft/recipes/quickstart.json")
    #expect(
      try ShippedRecipes(program: folder["usr/bin/sparseft"]).folder
        == folder["usr/share/sparseft/recipes"])
    #expect(throws: RecipeError.self) { try ShippedRecipes(program: "/nowhere/sparseft") }
  }

  /// A copy of every shipped recipe is a recipe.
  @Test func startersLoad() throws {
    let shipped = try ShippedRecipes(program: SharedData.packageRoot + "/sparseft")
    let folder = try TemporaryFolder()
    let entries = try shipped.entries()
    #expect(entries.count >= 4)
    for entry in entries {
      #expect(!entry.summary.isEmpty && entry.summary.count < 140, "\(entry)")
      let path = try folder.write(
        Array(try shipped.starter(entry.name).utf8), to: entry.name + ".json")
      let recipe = try Recipe.load(path: path)
      #expect(recipe.output.absolute.hasPrefix(folder["runs/"]))
    }
  }
}
