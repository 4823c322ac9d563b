import Storage
import TestSupport
import Testing

/// What a newcomer finds in the repository: recipes that run, commands in the README that exist.
@Suite struct ShippedTests {
  @Test func theQuickstartRuns() throws {
    let folder = try TemporaryFolder()
    let sparseft = ProgramRunner(folder: folder.path)
    let outcome = try sparseft(
      "finetune", SharedData.packageRoot + "/recipes/quickstart.json", "--json",
      "output=\(folder["run"])", "run.steps=2", "run.batch_size=1", "data.sequence_length=64",
      "data.train=[\"\(SharedData.packageRoot)/docs\"]")
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    let events = try outcome.jsonLines()
    #expect(events.filter { $0["type"]?.string == "comparison" }.count == 2)
    let done = try #require(events.last { $0["type"]?.string == "done" })
    let first = try #require(done["initial_validation_loss"]?.double)
    let last = try #require(done["final_validation_loss"]?.double)
    #expect(last < first)
  }

  /// Models are not shipped, so the checkpoint is the first thing missing.
  @Test(arguments: ["pretrain-base", "smollm2-chat", "gemma3-chat"])
  func recipesForOtherModelsAreValid(_ name: String) throws {
    let folder = try TemporaryFolder()
    let sparseft = ProgramRunner(folder: folder.path)
    let outcome = try sparseft(
      "plan", SharedData.packageRoot + "/recipes/\(name).json", "model=\(folder["absent.sfckpt"])")
    #expect(outcome.exitCode == 66, "\(outcome.error)")
    #expect(outcome.error.contains("absent.sfckpt"))
  }

  /// Each command is called as written in an empty folder: its arguments must be understood, so the
  /// first thing wrong is a file that is not there.
  @Test func theReadmesCommandsAreUnderstood() throws {
    let readme = String(
      decoding: try TemporaryFolder.read(SharedData.packageRoot + "/README.md"), as: UTF8.self)
    let blocks = readme.split(separator: "```").enumerated().filter { $0.offset % 2 == 1 }
    let commands = blocks.flatMap { $0.element.split(separator: "\n") }
      .filter { $0.hasPrefix("sparseft ") }
    #expect(commands.count >= 9)
    let folder = try TemporaryFolder()
    let sparseft = ProgramRunner(folder: folder.path)
    for command in commands {
      let plain = command.prefix { $0 != "#" }
      let words = plain.split(separator: " ").dropFirst().map { $0.filter { $0 != "\"" } }
      let outcome = try sparseft.run(Array(words))
      #expect(outcome.exitCode == 66, "\(command): \(outcome.error)")
    }
  }
}
