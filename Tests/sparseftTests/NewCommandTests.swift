import Storage
import TestSupport
import Testing

/// A recipe made for a model, a text and this machine.
@Suite struct NewCommandTests {
  @Test func theRecipeRuns() throws {
    let shop = try Workshop()
    let first = try shop.succeed(["new", "--model", "tiny.sfckpt", "--data", "text.txt"])
    #expect(first.error.hasPrefix("text.json: "))
    let text = String(decoding: try shop.folder.read("text.json"), as: UTF8.self)
    for line in text.split(separator: "\n") where line.contains("\":") && !line.hasSuffix("{") {
      #expect(line.contains("  // "), "\(line)")
    }
    #expect(text.contains("1 document") && text.contains("\"output\": \"runs/text\""))
    let plan = try #require(try shop.succeed(["plan", "text.json", "--json"]).jsonLines().first)
    let steps = try #require(plan["steps"]?.int)
    let promised = try #require(text.firstMatch(of: /about ([0-9]+) steps/).flatMap { Int($0.1) })
    #expect(steps >= 10 && abs(steps - promised) <= max(2, steps / 4), "\(steps)\n\(text)")
    let again = try shop.sparseft.run(["new", "--model", "tiny.sfckpt", "--data", "text.txt"])
    #expect(again.exitCode == 73 && again.error.contains("something of that name"))
  }

  /// Rows get windows that hold most of them whole; a recipe in another folder names files from there.
  @Test func rowsHaveTheirLength() throws {
    let shop = try Workshop()
    let row = #"{"prompt": "the cat", "completion": "sees the dog and likes the tree"}"# + "\n"
    try shop.folder.write(String(repeating: row, count: 60), to: "pairs.jsonl")
    try Folder.create(shop.folder["recipes"])
    try shop.succeed(
      ["new", "--model", "tiny.sfckpt", "--data", "pairs.jsonl", "-o", "recipes/own.json"])
    let text = String(decoding: try shop.folder.read("recipes/own.json"), as: UTF8.self)
    #expect(text.contains("60 rows") && text.contains("19 of 20 rows fit whole"))
    #expect(text.contains("\"epochs\": 3"))
    try shop.succeed(["plan", "recipes/own.json"])
  }
}
