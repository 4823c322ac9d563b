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

  /// The README's blocks of code.
  private func blocks() throws -> [Substring] {
    let readme = String(
      decoding: try TemporaryFolder.read(SharedData.packageRoot + "/README.md"), as: UTF8.self)
    return readme.split(separator: "```").enumerated().filter { $0.offset % 2 == 1 }
      .map(\.element)
  }

  /// The arguments of the README's commands.
  private func commands() throws -> [[String]] {
    try blocks().flatMap { $0.split(separator: "\n") }.filter { $0.hasPrefix("sparseft ") }.map {
      $0.prefix { $0 != "#" }.split(separator: " ").dropFirst().map { $0.filter { $0 != "\"" } }
    }
  }

  /// Each command is called as written in an empty folder: its arguments must be understood, so the
  /// first thing wrong is a file that is not there. These need none.
  @Test func theReadmesCommandsAreUnderstood() throws {
    let commands = try commands()
    #expect(commands.count >= 9)
    let folder = try TemporaryFolder()
    let sparseft = ProgramRunner(folder: folder.path)
    for command in commands {
      let outcome = try sparseft.run(command)
      let needsNoFile = ["recipes", "completions"].contains(command[0])
      #expect(outcome.exitCode == (needsNoFile ? 0 : 66), "\(command): \(outcome.error)")
    }
  }

  /// Checkpoints, deltas and runs that the README's commands and its recipe name are made by commands
  /// before them.
  @Test func theReadmesFilesAreMadeByItsCommands() throws {
    let recipe = try #require(try blocks().first { $0.hasPrefix("jsonc") })
    var made = ["runs/smollm2-chat", "runs/mine"]
    #expect(recipe.contains("\"output\": \"runs/mine\""))
    for command in try commands() {
      let output = command.firstIndex(of: "-o").map { $0 + 1 }
      for (index, word) in command.enumerated() where index != output {
        let isFile = word.hasSuffix(".sfckpt") || word.hasSuffix(".sfdelta")
        guard isFile || word.hasPrefix("runs/") else { continue }
        let isMade = made.contains { word == $0 || word == $0 + "/best/trained.sfdelta" }
        #expect(isMade, "\(word) of \(command)")
      }
      if let output { made.append(command[output]) }
      made += command.filter { $0.hasPrefix("output=") }.map { String($0.dropFirst(7)) }
    }
    let model = recipe.split(separator: "\"model\": \"")[1].prefix { $0 != "\"" }
    #expect(made.contains(String(model)))
  }
}
