import Recipes
import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// The schema of recipes is what the readers make of themselves, and the readers agree with it on the
/// recipes in `Tests/Schema`, which `make check-schema` holds against the schema with another
/// program's validator.
@Suite struct RecipeSchemaTests {
  private static let path = SharedData.packageRoot + "/recipes/recipe.schema.json"

  /// `SPARSEFT_REWRITE_SNAPSHOTS=1` writes the file anew.
  @Test func theFileIsWhatTheReadersSay() throws {
    let text = Recipe.schema.encoded(.pretty) + "\n"
    if getenv("SPARSEFT_REWRITE_SNAPSHOTS") != nil {
      try AtomicFile.write(Array(text.utf8), to: Self.path)
    }
    #expect(String(decoding: try TemporaryFolder.read(Self.path), as: UTF8.self) == text)
  }

  @Test func keysHaveTheirSections() {
    let keys = Recipe.keyPaths
    #expect(Set(keys).count == keys.count)
    for key in [
      "model", "data.train", "optimizer.learning_rate", "method.rank", "run.steps", "guard.data",
      "compare",
    ] {
      #expect(keys.contains(key))
    }
    #expect(!keys.contains("$schema"))
    #expect(keys.allSatisfy { key in !keys.contains { $0.hasPrefix(key + ".") } })
  }

  private func cases(_ name: String) throws -> [(name: String, recipe: JSONValue)] {
    let path = SharedData.packageRoot + "/Tests/Schema/\(name).json"
    return try #require(try JSONValue.read(path: path, .strict).array).map {
      (try #require($0["name"]?.string), try #require($0["recipe"]))
    }
  }

  private func problems(_ recipe: JSONValue) -> String? {
    do {
      _ = try Recipe.decode(recipe, file: "recipe.json", folder: "/")
      return nil
    } catch {
      return error.description
    }
  }

  @Test func wrongRecipesAreRefused() throws {
    let wrong = try cases("wrong")
    #expect(wrong.count >= 40)
    for (name, recipe) in wrong { #expect(problems(recipe) != nil, "\(name)") }
  }

  @Test func rightRecipesAreRead() throws {
    for (name, recipe) in try cases("right") {
      let found = problems(recipe)
      #expect(found == nil, "\(name): \(found ?? "")")
    }
  }

  /// A key of the schema is not kept in the resolved recipe.
  @Test func theSchemaKeyIsNotWritten() throws {
    let recipe = try recipe(minimalRecipe(#""$schema": "recipe.schema.json""#))
    #expect(recipe.resolvedJSON["$schema"] == nil)
  }
}
