import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Files that somebody changes while they are in use: the run ends with a message, and nothing that
/// was computed from something else is saved.
@Suite struct ChangedFilesTests {
  private static let arguments = ["finetune", "recipe.json", "--json", "run.steps=60"]

  /// Runs until the third step, changes a file there, and lets it go on.
  private func run(
    _ shop: Workshop, _ arguments: [String], change: @escaping () throws -> Void
  ) throws -> Outcome {
    var isChanged = false
    // Told a line before the program is told to stop, which it never is here.
    return try shop.sparseft.run(arguments) { line in
      if !isChanged, line.contains(#""step":3,"#) {
        isChanged = true
        try? change()
      }
      return false
    }
  }

  @Test func aModelThatIsWrittenTo() throws {
    let shop = try Workshop()
    let arguments = Self.arguments + ["run.save_every=2"]
    try shop.succeed(arguments + ["output=whole"])
    let model = try shop.folder.read("tiny.sfckpt")
    let outcome = try run(shop, arguments) {
      let file = open(shop.folder["tiny.sfckpt"], O_WRONLY)
      pwrite(file, [0, 0, 0, 0], 4, off_t(model.count - 8))
      close(file)
    }
    #expect(outcome.exitCode == 74)
    #expect(
      outcome.error.contains(
        "error: reading '\(shop.folder["tiny.sfckpt"])': the file was written to or cut short while "
          + "it was in use"), "\(outcome.error)")
    // With the right model again it goes on from what was saved before.
    try shop.folder.write(model, to: "tiny.sfckpt")
    try shop.succeed(arguments + ["--resume"])
    #expect(try shop.losses() == shop.losses("whole/events.jsonl"))
  }

  @Test func aModelThatIsCutShort() throws {
    let shop = try Workshop()
    let outcome = try run(shop, Self.arguments) {
      truncate(shop.folder["tiny.sfckpt"], 4096)
    }
    #expect(outcome.exitCode == 74 && outcome.signal == nil)
    #expect(outcome.error.contains("tiny.sfckpt': the file was "), "\(outcome.error)")
  }

  /// Touching what is no longer there.
  @Test func mappedBytesThatAreGone() throws {
    let shop = try Workshop()
    let outcome = try run(shop, Self.arguments) {
      for name in shop.files where name.hasSuffix(".tokens") { truncate(shop.folder[name], 0) }
    }
    #expect(outcome.exitCode == 74 && outcome.signal == nil)
    #expect(outcome.error.contains(".tokens': the file was "), "\(outcome.error)")
  }

  /// A new file in the place of the old one leaves the run with the old one.
  @Test func aModelThatIsReplaced() throws {
    let shop = try Workshop()
    try shop.succeed(Self.arguments + ["output=whole"])
    let outcome = try run(shop, Self.arguments) {
      try shop.folder.write("another", to: "new.sfckpt")
      rename(shop.folder["new.sfckpt"], shop.folder["tiny.sfckpt"])
    }
    #expect(outcome.exitCode == 0)
    #expect(try shop.losses() == shop.losses("whole/events.jsonl"))
  }

  /// Where the system refuses memory there is an end, and a message.
  @Test(arguments: [150_000, 300_000, 450_000])
  func aLimitOnMemory(_ kilobytes: Int) throws {
    let shop = try Workshop()
    let code = try shop.shell(
      "ulimit -v \(kilobytes); timeout 60 \(ProgramRunner.path) finetune recipe.json 2>error")
    #expect(code == 74)
    let error = String(decoding: try shop.folder.read("error"), as: UTF8.self)
    #expect(error.contains("error: ") && error.contains("memory"), "\(error)")
  }

  @Test func workThatNoMachineHasMemoryFor() throws {
    let shop = try Workshop()
    let outcome = try shop.sparseft.run([
      "eval", "--model", "tiny.sfckpt", "--data", "text.txt", "--batch-size", "65536",
      "--sequence-length", "2000",
    ])
    #expect(outcome.exitCode == 64)
    #expect(outcome.error.contains("65536 windows of 2000 tokens at a time"), "\(outcome.error)")
  }
}
