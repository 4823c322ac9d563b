import Storage
import TestSupport
import Testing

/// Commands that are called wrongly, and what they say.
@Suite struct UsageTests {
  static let mistakes: [(arguments: [String], text: String)] = [
    ([], "USAGE: sparseft <subcommand>"),
    (["finetun"], "Error: "),
    (["finetune"], "Error: Missing expected argument '<recipe>'"),
    (["finetune", "recipe.json", "--jsn"], "Error: Unknown option '--jsn'"),
    (
      ["finetune", "recipe.json", "steps"],
      "Error: 'steps' is no override; write key=value, for example run.steps=20"
    ),
    (["compare", "recipe.json", "--seeds", "0"], "Error: --seeds takes 1 to 1000"),
    (["eval", "--model", "tiny.sfckpt"], "Error: Missing expected argument '--data <path> ...'"),
    (
      ["eval", "--model", "tiny.sfckpt", "--data", "text.txt", "--sequence-length", "0"],
      "Error: --sequence-length takes 1 to 1048576"
    ),
    (
      ["eval", "--model", "tiny.sfckpt", "--data", "text.txt", "--batch-size", "0"],
      "Error: --batch-size takes 1 to 65536"
    ),
    (
      ["eval", "--model", "tiny.sfckpt", "--data", "text.txt", "--threads", "0"],
      "error: "
    ),
    (
      ["generate", "--model", "tiny.sfckpt", "--prompt", "a", "--max-tokens", "0"],
      "Error: --max-tokens takes 1 to 1048576"
    ),
    (
      ["generate", "--model", "tiny.sfckpt", "--prompt", "a", "--temperature", "-1"],
      "Error: "
    ),
    (
      ["generate", "--model", "tiny.sfckpt", "--prompt", "a", "--temperature", "nan"],
      "Error: --temperature takes 0 to 10"
    ),
    (
      ["generate", "--model", "tiny.sfckpt", "--prompt", "a", "--top-p", "0"],
      "Error: --top-p takes a number in (0, 1]"
    ),
    (
      ["tokenize", "--model", "tiny.sfckpt", "--text", "a", "--file", "b"],
      "Error: give either --text or --file"
    ),
    (
      ["apply-delta", "--model", "a", "--delta", "b", "--scale", "inf", "-o", "c"],
      "Error: --scale takes a number from -100 to 100, found inf"
    ),
    (["init", "--config", "a", "--tokenizer", "b", "--dtype", "f64", "-o", "c"], "Error: "),
  ]

  @Test(arguments: mistakes.indices)
  func wrongUsageEndsWith64(_ index: Int) throws {
    let (arguments, text) = Self.mistakes[index]
    let shop = try Workshop()
    let before = shop.files
    let outcome = try shop.sparseft.run(arguments)
    // Without arguments the program explains itself, which is no mistake.
    #expect(outcome.exitCode == (arguments.isEmpty ? 0 : 64), "\(arguments)")
    let said = arguments.isEmpty ? outcome.output : outcome.error
    #expect(said.contains(text), "\(arguments): \(said)")
    #expect(shop.files == before)
  }

  @Test func anUnknownInstructionSetIsRefused() throws {
    var shop = try Workshop()
    shop.sparseft.environment["SPARSEFT_ISA"] = "sse9"
    let outcome = try shop.sparseft("finetune", "recipe.json")
    #expect(outcome.exitCode == 64)
    #expect(outcome.error.contains("sse9"))
    #expect(outcome.error.contains("avx2"))
  }

  @Test(arguments: ["reference", "portable"])
  func aPlainInstructionSetReachesTheSameLosses(_ name: String) throws {
    var shop = try Workshop()
    try shop.finetune("run.precision=f32")
    let losses = try shop.losses()
    shop.sparseft.environment["SPARSEFT_ISA"] = name
    let outcome = try shop.finetune("--json", "run.precision=f32")
    #expect(try outcome.jsonLines().first?["instruction_set"]?.string == name)
    for (step, loss) in try shop.losses() {
      #expect(abs(loss - (losses[step] ?? .nan)) < 1e-4, "step \(step)")
    }
  }

  @Test func theVersionIsAResult() throws {
    let outcome = try ProgramRunner()("--version")
    #expect(outcome.exitCode == 0)
    #expect(outcome.output.hasPrefix("sparseft "))
    #expect(outcome.error == "")
  }
}
