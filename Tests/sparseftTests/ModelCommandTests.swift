import Checkpoints
import Storage
import Tensors
import TestSupport
import Testing

/// Commands that work on a model: `eval`, `generate`, `tokenize`, `inspect`.
@Suite struct ModelCommandTests {
  @Test func evalScoresText() throws {
    let shop = try Workshop()
    let text = try shop.folder.read("text.txt")
    let arguments = ["eval", "--model", "tiny.sfckpt", "--data", "text.txt"]
    let result = try #require(try shop.succeed(arguments + ["--json"]).jsonLines().first)
    #expect(Contract.evaluation.isSubset(of: result.keys))
    #expect(result["bytes"]?.int == text.count)
    let loss = try #require(result["loss"]?.double)
    // Nearly uniform over 384 pieces: ln 384 = 5.95.
    #expect(abs(loss - 5.95) < 0.2)

    #expect(result["precision"]?.string == (try precision(of: "tiny.sfckpt", in: shop)))

    // Each window of S targets is scored, the last partial one too, whatever S and batch are.
    let tokens = try #require(result["tokens"]?.int)
    let other = try shop.succeed(
      arguments + ["--json", "--sequence-length", "7", "--batch-size", "3", "--threads", "1"])
    #expect(try other.jsonLines().first?["tokens"]?.int == tokens)

    let table = try shop.succeed(arguments)
    let word = try #require(result["precision"]?.string)
    #expect(table.error == "precision: \(word) products\n")
    #expect(
      table.output.hasPrefix("loss          \(formatted(loss, decimals: 4)) nats per token\n"))
    #expect(table.output.contains("\(tokens) from \(text.count) bytes"))
  }

  /// What a run of the same model would compute with.
  private func precision(of model: String, in shop: Workshop) throws -> String? {
    try shop.succeed(["plan", "recipe.json", "model=\(model)", "--json"]).jsonLines()
      .first?["precision"]?.string
  }

  @Test(arguments: [ElementType.f32, .bf16, .int8])
  func precisionIsSaidAndChosen(_ type: ElementType) throws {
    let shop = try Workshop(elementType: type)
    let arguments = ["eval", "--model", "tiny.sfckpt", "--data", "text.txt", "--json"]
    func result(_ more: String...) throws -> JSONValue {
      try #require(try shop.succeed(arguments + more).jsonLines().first)
    }
    let usual = try result()
    #expect(["bf16", "f32"].contains(usual["precision"]?.string))
    let wide = try #require(try result("--precision", "f32")["loss"]?.double)
    for word in ["bf16", "int8"] {
      let narrow = try result("--precision", word)
      #expect(narrow["precision"]?.string == word)
      #expect(abs(try #require(narrow["loss"]?.double) / wide - 1) < 1e-2)
    }
    let refused = try shop.sparseft.run(arguments + ["--precision", "f16"])
    #expect(refused.exitCode == 64 && refused.error.contains("'f16' is invalid"))
  }

  @Test func evalTakesFoldersAndSeparators() throws {
    let shop = try Workshop()
    try shop.folder.write("one cat<|end|>two dogs<|end|>", to: "texts/a.txt")
    try shop.folder.write("three birds", to: "texts/deep/b.txt")
    func tokens(_ arguments: String...) throws -> Int? {
      let run = try shop.succeed(
        ["eval", "--model", "tiny.sfckpt", "--json", "--data"] + arguments)
      return try run.jsonLines().first?["tokens"]?.int
    }
    let whole = try #require(try tokens("texts"))
    #expect(try tokens("texts/a.txt", "texts/deep/*.txt") == whole)
    let separated = try #require(try tokens("texts", "--document-separator", "<|end|>"))
    #expect(separated < whole)
  }

  /// A table of base and delta on a task and a text, as text and as JSON, and its items.
  @Test func evalComparesModelsOnTasks() throws {
    let shop = try Workshop()
    try shop.finetune()
    try shop.folder.write(
      #"{"prompt": "the cat", "choices": ["sees", "likes"], "answer": 0}"# + "\n", to: "task.jsonl")
    let delta = "run/best/trained.sfdelta"
    let arguments = [
      "eval", "--model", "tiny.sfckpt", "--delta", delta, "--side-by-side", "--data", "task.jsonl",
      "text.txt",
    ]
    let json = try #require(
      try shop.succeed(arguments + ["--json", "--items", "items.jsonl"]).jsonLines().first)
    #expect(json["models"] == ["base", .string(delta)])
    #expect(json["data"]?.array?.compactMap { $0["name"]?.string } == ["task.jsonl", "text.txt"])
    let scores = try #require(json["data"]?[0]?["scores"]?.array)
    #expect(scores[0]["accuracy"]?.keys == ["value", "low", "high"])
    #expect(scores[1]["accuracy_normalised"]?["difference"]?["low"]?.double != nil)
    #expect(try shop.jsonLines("items.jsonl").filter { $0["data"] == "task.jsonl" }.count == 2)

    let table = try shop.succeed(arguments).output
    for word in ["accuracy by length", "loss", "to base"] {
      #expect(table.contains(word), "\(word)")
    }
    let refused = try shop.sparseft.run([
      "eval", "--model", "tiny.sfckpt", "--data", "task.jsonl", "--until", "",
    ])
    #expect(refused.exitCode == 64)
  }

  @Test func generateRepeatsForASeed() throws {
    let shop = try Workshop()
    let narrow = try precision(of: "tiny.sfckpt", in: shop) ?? ""
    let said =
      narrow == "f32"
      ? "precision: f32 products\n"
      : "precision: \(narrow) products for the prompt, f32 after it\n"
    func generate(_ arguments: String...) throws -> String {
      let prompt = ["generate", "--model", "tiny.sfckpt", "--prompt", "the cat"]
      let outcome = try shop.succeed(prompt + ["--max-tokens", "12"] + arguments)
      #expect(outcome.error == said)
      #expect(outcome.output.hasPrefix("the cat"))
      return outcome.output
    }
    let first = try generate("--seed", "5", "--temperature", "2", "--top-p", "1")
    #expect(try generate("--seed", "5", "--temperature", "2", "--top-p", "1") == first)
    #expect(try generate("--seed", "6", "--temperature", "2", "--top-p", "1") != first)
    let likeliest = try generate("--temperature", "0", "--seed", "1")
    #expect(try generate("--temperature", "0", "--seed", "2") == likeliest)
    #expect(try generate("--temperature", "0", "--threads", "1") == likeliest)
  }

  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func generatesTheStoryThatTheModelIsKnownFor() throws {
    let shop = try Workshop()
    try shop.succeed([
      "import", SharedData.require("stories260K/stories260K.bin"), "--tokenizer",
      SharedData.require("stories260K/tok512.model"), "-o", "stories.sfckpt",
    ])
    let outcome = try shop.succeed([
      "generate", "--model", "stories.sfckpt", "--prompt", "", "--temperature", "0",
      "--max-tokens", "60",
    ])
    let story = """
      Once upon a time, there was a little girl named Lily. She loved to play outside in the park. \
      One day, she saw a big, red ball.
      """
    #expect(outcome.output.hasPrefix(story))
  }

  @Test func tokenizeShowsIdsAndPieces() throws {
    let shop = try Workshop()
    let text = "the big dog"
    let arguments = ["tokenize", "--model", "tiny.sfckpt", "--text", text]
    let result = try #require(try shop.succeed(arguments + ["--json"]).jsonLines().first)
    #expect(result.keys == ["ids", "pieces", "count"])
    let pieces = try #require(result["pieces"]?.array).compactMap(\.string)
    #expect(pieces.joined().replacing("▁", with: " ").drop { $0 == " " } == text)
    #expect(result["count"]?.int == pieces.count)
    #expect(result["ids"]?.array?.count == pieces.count)

    let table = try shop.succeed(arguments)
    #expect(table.error == "\(pieces.count) tokens\n")
    #expect(table.lines.count == pieces.count + 2)

    try shop.folder.write(text, to: "words.txt")
    let file = try shop.succeed([
      "tokenize", "--model", "tiny.sfckpt", "--file", "words.txt", "--json",
    ])
    #expect(try file.jsonLines().first == result)
  }

  @Test func inspectShowsEveryKindOfFile() throws {
    let shop = try Workshop(method: #"{"type": "lora", "rank": 2}"#)
    try shop.finetune()
    let kinds = [
      ("tiny.sfckpt", "checkpoint", "layers[0–2].attention.query"),
      ("run/best/trained.sfdelta", "delta", "factor"),
      ("run/last/state.sfstate", "training state", "first_moment"),
    ]
    for (file, kind, row) in kinds {
      let json = try #require(try shop.succeed(["inspect", file, "--json"]).jsonLines().first)
      #expect(json["kind"]?.string == kind)
      #expect(json["path"]?.string == file)
      #expect(json["content_hash"]?.string?.count == 64)
      let tensors = try #require(json["tensors"]?.array)
      for tensor in tensors { #expect(tensor.keys == ["name", "dtype", "shape", "bytes"]) }
      let table = try shop.succeed(["inspect", file])
      #expect(table.output.hasPrefix("kind                \(kind)\n"))
      #expect(table.output.contains(row), "\(file)")
    }
    let model = try shop.succeed(["inspect", "tiny.sfckpt", "--json"]).jsonLines().first
    let delta = try shop.succeed(["inspect", kinds[1].0, "--json"]).jsonLines().first
    #expect(model?["parameters"]?.int == 35_552)
    #expect(model?["tensors"]?.array?.count == Workshop.configuration.parameters.count)
    #expect(delta?["base_hash"] == model?["content_hash"])
  }
}
