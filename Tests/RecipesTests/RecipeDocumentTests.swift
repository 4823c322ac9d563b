import Recipes
import Storage
import TestSupport
import Testing

/// `docs/recipe.md` has a row for every key, and an example that loads.
@Suite struct RecipeDocumentTests {
  private func page() throws -> String {
    let bytes = try TemporaryFolder.read(SharedData.packageRoot + "/docs/recipe.md")
    return String(decoding: bytes, as: UTF8.self)
  }

  private func keys(_ json: JSONValue) -> [String] {
    let below = (json.object?.members ?? []).flatMap { [$0.key] + keys($0.value) }
    return below + (json.array ?? []).flatMap(keys)
  }

  @Test func everyKeyHasARow() throws {
    let variants =
      [
        #""run": {"steps": 1, "sample": {"prompt": "x"}}"#, #""optimizer": {"type": "sgd"}"#,
        #""optimizer": {"parameters": "int8"}"#,
      ] + MethodRecipe.types.map { #""method": {"type": "\#($0)"}"# }
    let page = try page()
    for key in try variants.flatMap({ keys(try recipe(minimalRecipe($0)).resolvedJSON) }) {
      let isRow = page.contains("\n| `\(key)` |") || page.contains(".\(key)` |")
      #expect(isRow, "no row for '\(key)'")
    }
  }

  /// The README's table has all keys of what is read.
  @Test func theReadmeNamesTheKeysOfData() throws {
    let readme = String(
      decoding: try TemporaryFolder.read(SharedData.packageRoot + "/README.md"), as: UTF8.self)
    let row = try #require(readme.split(separator: "\n").first { $0.hasPrefix("| `data` |") })
    let data = try #require(try recipe(minimalRecipe()).resolvedJSON["data"]?.object)
    #expect(data.members.count >= 9)
    for member in data.members { #expect(row.contains("`\(member.key)`"), "\(member.key)") }
  }

  @Test func exampleLoads() throws {
    let page = try page()
    let example = page.split(separator: "```").first { $0.hasPrefix("jsonc") }?.dropFirst(5)
    let loaded = try recipe(String(example ?? ""))
    #expect(loaded.method == MethodEntry(.auto()))
  }
}
