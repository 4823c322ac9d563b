import Storage
import TestSupport
import Testing

/// Commands on rows of JSON Lines.
@Suite struct RowCommandTests {
  private let shop: Workshop

  init() throws {
    shop = try Workshop()
    let rows = (0..<24).map { index in
      let word = ["cat", "dog", "bird"][index % 3]
      return #"{"n": \#(index), "prompt": "the \#(word) sees", "completion": " the big \#(word)."}"#
    }
    try shop.folder.write(rows.joined(separator: "\n"), to: "rows.jsonl")
  }

  @Test func rowsTrainAndAreEvaluated() throws {
    try shop.finetune("data.train=rows.jsonl", "data.sequence_length=32")
    let losses = try shop.losses()
    #expect(losses.count == 3 && losses.values.allSatisfy { $0 > 0 })
    let data = try #require(try shop.json("run/recipe.resolved.json")["data"])
    #expect(data["train_on"]?.string == "completions")
    #expect(data["long_rows"]?.string == "split")
    func tokens(_ more: String...) throws -> Int {
      let run = try shop.succeed(
        ["eval", "--model", "tiny.sfckpt", "--data", "rows.jsonl", "--json"] + more)
      return try #require(try run.jsonLines().first?["tokens"]?.int)
    }
    let counted = try tokens()
    #expect(try tokens("--sequence-length", "40") == counted)
    #expect(try tokens("--train-on", "all") > counted)
  }

  @Test func longRowsAreSaid() throws {
    for (choice, words) in [
      ("split", "were split: 0 tokens lost"), ("drop", "were dropped: "),
    ] {
      try shop.folder.write(
        #"{"prompt": "a", "completion": "b"}"# + "\n"
          + #"{"prompt": "the cat sees", "completion": "the big old red dog and the bird over all"}"#
          + "\n" + #"{"prompt": "a", "completion": "b"}"#, to: "long.jsonl")
      let run = try shop.finetune(
        "data.train=long.jsonl", "data.sequence_length=16", "data.long_rows=\(choice)")
      #expect(run.error.contains("1 of 2 training rows are longer than a window of 16 tokens"))
      #expect(run.error.contains(words))
    }
  }

  @Test func aBrokenFileIsRefusedAndNothingIsWritten() throws {
    try shop.folder.write("{\"text\": \"a\"}\n{\"text\": [1]}\n", to: "broken.jsonl")
    for command in [
      ["finetune", "recipe.json", "data.train=broken.jsonl"],
      ["eval", "--model", "tiny.sfckpt", "--data", "broken.jsonl"],
    ] {
      let run = try shop.sparseft.run(command)
      #expect(run.exitCode == 65)
      #expect(run.error.contains("broken.jsonl', line 2: text: found a list, expected a string"))
    }
    #expect(!shop.files.contains { $0.hasSuffix(".tokens") })
    #expect(shop.leftovers.isEmpty)
  }
}
