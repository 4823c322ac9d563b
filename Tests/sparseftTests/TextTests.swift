import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What a run trains on, and what it says of it.
@Suite struct TextTests {
  /// Recipe and outputs lie in the folder that is trained on.
  @Test func theFoldersOwnFilesAreNoText() throws {
    let shop = try Workshop()
    let arguments = [#"data.train=["."]"#]
    let first = try shop.succeed(["finetune", "recipe.json"] + arguments + ["--json"])
    let start = try #require(try first.jsonLines().first { $0["type"] == "start" })
    let alone = try Workshop().finetune("--json")
    let expected = try #require(try alone.jsonLines().first { $0["type"] == "start" })
    for key in ["trained_tokens", "trained_documents", "held_out_tokens"] {
      #expect(start[key] == expected[key], "\(key)")
    }
    // Now that there are outputs, too.
    let warnings = try shop.succeed(["plan", "recipe.json"] + arguments).error
    #expect(warnings.contains("recipe.json': it is the recipe"))
    #expect(warnings.contains("run': it is the run's output folder"))
  }

  @Test func everyCommandSaysHowMuchTrains() throws {
    let shop = try Workshop()
    try shop.folder.write("A short one.", to: "data/1.txt")
    try shop.folder.write(Workshop.text(sentences: 100), to: "data/2.txt")
    let arguments = [#"data.train=["data"]"#]
    let plan = try shop.succeed(["plan", "recipe.json", "--json"] + arguments)
    let events = try shop.succeed(["finetune", "recipe.json", "--json"] + arguments).jsonLines()
    let start = try #require(events.first { $0["type"] == "start" })
    let planned = try #require(try plan.jsonLines().first)
    let keys = [
      "trained_tokens", "trained_documents", "trained_windows", "held_out_tokens",
      "held_out_documents", "dropped_tokens",
    ]
    for key in keys { #expect(start[key]?.int == planned[key]?.int && start[key]?.int != nil) }
    // The second document is nearly all; by documents all of it would be held out.
    let held = try #require(start["held_out_tokens"]?.double)
    let trained = try #require(start["trained_tokens"]?.double)
    #expect((0.09...0.13).contains(held / (held + trained)))
    let said = try shop.succeed(["finetune", "recipe.json", "output=again"] + arguments).error
    for text in [plan.error, said] {
      #expect(text.contains("text: trains \(Int(trained)) tokens of 2 documents in "), "\(text)")
      #expect(text.contains("holds out \(Int(held)) of 1 document"), "\(text)")
    }
  }

  @Test func idsAreForTheUserAndGoIfAsked() throws {
    let shop = try Workshop()
    try shop.finetune()
    let kept = shop.files.filter { $0.hasSuffix(".tokens") }
    #expect(kept.count == 1)
    var status = stat()
    #expect(stat(shop.folder[kept.first ?? ""], &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(stat(shop.folder["run/cache"], &status) == 0 && status.st_mode & 0o777 == 0o700)
    let losses = try shop.losses()
    try shop.finetune("run.keep_cache=false")
    #expect(!shop.files.contains { $0.hasSuffix(".tokens") })
    try shop.finetune("run.keep_cache=false", "output=fresh")
    #expect(!shop.files.contains { $0.hasSuffix(".tokens") })
    #expect(try shop.losses("fresh/events.jsonl") == losses)
  }
}
