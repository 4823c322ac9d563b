import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What the program writes, changes, renames and removes lies in the output folder, in the user's
/// cache folder, or is what the command names.
@Suite struct IsolationTests {
  /// A command, and where it may write.
  private struct Command {
    var arguments: [String]
    /// Files and folders, by their paths in the shop.
    var writes: [String] = []
  }

  private static let commands = [
    Command(
      arguments: [
        "finetune", "recipe.json", #"run.sample={"prompt": "the", "max_tokens": 4}"#,
        "run.validate_every=2", "run.save_every=1", #"compare=[{"type": "norms"}]"#,
      ], writes: ["run"]),
    // The run that is there is set aside; its ids are used again, and not kept.
    Command(
      arguments: [
        "finetune", "recipe.json", #"method={"type": "sparse", "budget": {"step_time": 0.8}}"#,
        "run.steps=20", "analysis.share=60", "optimizer.learning_rate=auto", "run.keep_cache=false",
      ], writes: ["run", "run-1"]),
    Command(
      arguments: [
        "analyze", "recipe.json", #"method={"type": "sparse", "budget": {"step_time": 0.8}}"#,
        "run.steps=20", "analysis.share=60", "optimizer.learning_rate=auto", "output=analysis",
      ], writes: ["analysis"]),
    Command(arguments: ["plan", "recipe.json", "output=planned"], writes: ["planned"]),
    Command(arguments: ["eval", "--model", "tiny.sfckpt", "--data", "text.txt"]),
    Command(
      arguments: ["generate", "--model", "tiny.sfckpt", "--prompt", "the", "--max-tokens", "4"]),
    Command(arguments: ["tokenize", "--model", "tiny.sfckpt", "--file", "text.txt"]),
    Command(arguments: ["inspect", "tiny.sfckpt"]),
    Command(arguments: ["export-delta", "run", "-o", "out.sfdelta"], writes: ["out.sfdelta"]),
    Command(
      arguments: [
        "apply-delta", "--model", "tiny.sfckpt", "--delta", "out.sfdelta", "-o", "merged",
      ],
      writes: ["merged"]),
    Command(
      arguments: ["import", Workshop.goldenFolder("gqa-tied"), "-o", "imported.sfckpt"],
      writes: ["imported.sfckpt"]),
    Command(
      arguments: ["export", "tiny.sfckpt", "--format", "hf", "-o", "exported", "--verify"],
      writes: ["exported"]),
    Command(
      arguments: ["export", "tiny.sfckpt", "--format", "gguf", "-o", "exported.gguf"],
      writes: ["exported.gguf"]),
  ]

  @Test func nothingIsWrittenElsewhere() throws {
    let shop = try Workshop()
    let record = try shop.compileFault("record_writes", "")
    for name in ["home", "temporary", "caches", "current"] { mkdir(shop.folder[name], 0o755) }
    var runner = shop.sparseft
    runner.folder = shop.folder["current"]
    runner.executable = record
    runner.environment = [
      "HOME": shop.folder["home"], "TMPDIR": shop.folder["temporary"],
      "XDG_CACHE_HOME": shop.folder["caches"],
    ]
    let names = Set(shop.folder.entries + Self.commands.flatMap(\.writes))
    var written: Set<String> = []
    for command in Self.commands {
      let arguments = command.arguments.map { argument in
        if argument.hasPrefix("output=") {
          return "output=" + shop.folder[String(argument.dropFirst(7))]
        }
        return names.contains(argument) ? shop.folder[argument] : argument
      }
      let before = Self.entries(below: shop.folder.path)
      let outcome = try runner.run([shop.folder["record"], ProgramRunner.path] + arguments)
      let place: Testing.Comment = "\(command.arguments.joined(separator: " ")): \(outcome.error)"
      #expect(outcome.exitCode == 0 && outcome.signal == nil, place)
      let allowed = (command.writes + ["caches/sparseft"]).map { shop.folder[$0] }
      func isAllowed(_ path: String) -> Bool {
        path == "/dev/null" || allowed.contains { path == $0 || path.hasPrefix($0 + "/") }
      }
      let lines = String(decoding: try shop.folder.read("record"), as: UTF8.self)
      for line in lines.split(separator: "\n") {
        let path = String(line.drop { $0 != " " }.dropFirst())
        written.insert(path)
        // A file on its way is in the folder of the file that it becomes. A file that stays nameless is
        // gone with the process.
        let folder = path.prefix { $0 != "#" }
        let isOnItsWay =
          !command.writes.isEmpty && Self.isTemporary(path, in: shop.folder.path)
        let isNameless = folder == shop.folder["temporary"] + "/" && path.hasSuffix(" (deleted)")
        #expect(isAllowed(path) || isOnItsWay || isNameless, "\(line)\n\(place)")
      }
      // Whatever way it was written.
      for (path, state) in Self.entries(below: shop.folder.path) where !isAllowed(path) {
        guard path != shop.folder["record"], path != shop.folder["caches"] else { continue }
        #expect(before[path] == state, "\(path)\n\(place)")
      }
      let after = Self.entries(below: shop.folder.path)
      #expect(before.keys.allSatisfy { after[$0] != nil || isAllowed($0) }, place)
    }
    // The record is one.
    #expect(written.contains(shop.folder["run/events.jsonl"]))
    #expect(written.contains(shop.folder["merged"]))
    #expect(written.contains { $0.hasPrefix(shop.folder["run/candidates/"]) })
    #expect(written.contains { $0.hasPrefix(shop.folder["temporary/"]) })
    #expect(!written.contains(shop.folder["tiny.sfckpt"]))
  }

  /// Nobody has a home where nothing can be written, and it is no reason to fail.
  @Test(arguments: ["XDG_CACHE_HOME", "HOME"]) func aHomeThatTakesNothing(_ name: String) throws {
    let shop = try Workshop()
    var runner = shop.sparseft
    try shop.folder.write("a file", to: "taken")
    for path in ["/proc", shop.folder["taken"], "/dev/null"] {
      runner.environment = ["HOME": path, "XDG_CACHE_HOME": name == "HOME" ? "" : path]
      let commands = [
        ["finetune", "recipe.json", "--overwrite"],
        ["eval", "--model", "tiny.sfckpt", "--data", "text.txt"],
      ]
      for arguments in commands {
        let outcome = try runner.run(arguments)
        #expect(outcome.exitCode == 0 && !outcome.error.contains("error"), "\(outcome.error)")
      }
    }
  }

  /// Whether a path is a file's in a folder until it is whole, without a name or with one that says so,
  /// or is in a folder that has such a name until it is whole.
  private static func isTemporary(_ path: String, in folder: String) -> Bool {
    guard path.hasPrefix(folder + "/") else { return false }
    let names = path.dropFirst(folder.count + 1).split(separator: "/")
    guard let name = names.first else { return false }
    if name.hasPrefix(".sparseft-"), name.hasSuffix(".partial") { return true }
    return names.count == 1 && name.hasPrefix("#") && name.hasSuffix(" (deleted)")
  }

  /// Everything below a folder, and what tells that it was changed. Folders' times tell that something
  /// was made in them, be it gone again.
  private static func entries(below path: String) -> [String: [Int]] {
    var result: [String: [Int]] = [:]
    for name in (try? Folder.names(path)) ?? [] {
      let entry = path + "/" + name
      var status = stat()
      guard lstat(entry, &status) == 0 else { continue }
      result[entry] = [
        Int(status.st_ino), Int(status.st_size), Int(status.st_mode), status.st_mtim.tv_sec,
        status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
      ]
      if status.st_mode & S_IFMT == S_IFDIR {
        result.merge(entries(below: entry)) { own, _ in own }
      }
    }
    return result
  }
}
