import Storage
import TestSupport
import Testing

/// What a full disk does: exit code 74, nothing half-written, and everything earlier as it was.
@Suite struct DiskFullTests {
  /// 32 KiB, less than any file with weights of the tiny model.
  private static let blocks = 64

  @Test func writersLeaveNothingBehind() throws {
    let shop = try Workshop()
    try shop.finetune()
    var full = shop.sparseft
    full.fileBlocks = Self.blocks
    let golden = Workshop.goldenFolder("gqa-tied")
    let commands = [
      ["export-delta", "run", "-o", "out"],
      [
        "apply-delta", "--model", "tiny.sfckpt", "--delta", "run/best/trained.sfdelta", "-o", "out",
      ],
      ["import", golden, "-o", "out"],
      [
        "init", "--config", golden + "/config.json", "--tokenizer", Workshop.tokenizerPath, "-o",
        "out",
      ],
    ]
    let before = shop.files
    for arguments in commands {
      let outcome = try full.run(arguments)
      #expect(outcome.signal == nil)
      #expect(outcome.exitCode == 74)
      #expect(
        outcome.error == """
          error: writing 'out': File too large; nothing was left behind, raise the limit on \
          the size of files (ulimit -f) and try again

          """)
      #expect(shop.files == before)
    }
    // A file that is there already stays as it was.
    for arguments in commands {
      let model = try shop.folder.read("tiny.sfckpt")
      try shop.folder.write(model, to: "out")
      #expect(try full.run(arguments).exitCode == 74)
      #expect(try shop.folder.read("out") == model)
    }
  }

  @Test(arguments: [8, 64, 400])
  func aRunThatCannotSaveKeepsWhatItHad(_ blocks: Int) throws {
    let shop = try Workshop()
    let arguments = [
      "finetune", "recipe.json", "run.validate_every=2", "run.save_every=2",
      "schedule.type=constant",
    ]
    try shop.succeed(arguments + ["run.steps=8", "output=whole"])
    try shop.succeed(arguments + ["run.steps=4"])
    let kept = ["best/trained.sfdelta", "last/trained.sfdelta", "last/state.sfstate"]
    let before = try kept.map { try shop.folder.read("run/" + $0) }

    var full = shop.sparseft
    full.fileBlocks = blocks
    let outcome = try full.run(arguments + ["run.steps=8", "--resume", "--accept-changes"])
    #expect(outcome.exitCode == 74)
    #expect(outcome.error.contains("File too large"))
    #expect(shop.leftovers == [])
    // State and deltas are 426 and 145 KiB: each is the old one, or the new one and whole.
    #expect(try shop.folder.read("run/last/state.sfstate") == before[2])
    if blocks <= 64 { #expect(try kept.map { try shop.folder.read("run/" + $0) } == before) }
    for file in kept { try shop.succeed(["inspect", "run/" + file]) }

    // With space again the run goes on as if nothing had happened.
    try shop.succeed(arguments + ["run.steps=8", "--resume", "--accept-changes"])
    let losses = try shop.losses()
    for (step, loss) in try shop.losses("whole/events.jsonl") where step > 4 {
      #expect(losses[step] == loss, "step \(step)")
    }
  }

  @Test func theFirstFilesOfARunCanFailToo() throws {
    let shop = try Workshop()
    var full = shop.sparseft
    full.fileBlocks = 1
    let outcome = try full("finetune", "recipe.json")
    #expect(outcome.exitCode == 74)
    #expect(outcome.error.contains("error: writing '\(shop.folder.path)/run/"))
    #expect(shop.leftovers == [])
    #expect(!shop.files.contains { $0.hasPrefix("run/") })
  }

  @Test func aLostResultIsNoSuccess() throws {
    let shop = try Workshop()
    var full = shop.sparseft
    full.output = "/dev/full"
    let commands = [
      ["inspect", "tiny.sfckpt"], ["eval", "--model", "tiny.sfckpt", "--data", "text.txt"],
      ["generate", "--model", "tiny.sfckpt", "--prompt", "a", "--max-tokens", "2"],
      ["tokenize", "--model", "tiny.sfckpt", "--text", "a", "--json"],
    ]
    for arguments in commands {
      let outcome = try full.run(arguments)
      #expect(outcome.exitCode == 74, "\(arguments)")
      #expect(
        outcome.error.hasSuffix(
          "error: writing the result to standard output: No space left on device; free some "
            + "space and try again\n"))
    }
    let run = try full("finetune", "recipe.json", "--json")
    #expect(run.exitCode == 74)
    #expect(run.error.contains("writing events to standard output"))
  }
}
