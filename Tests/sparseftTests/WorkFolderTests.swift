import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What a user keeps in the run's folder under the names of the program's own folders.
@Suite struct WorkFolderTests {
  private static let auto = #"{"type": "sparse", "budget": {"step_time": 0.8}}"#
  private static let measuring = [
    "run.steps=60", "analysis.share=60", "optimizer.learning_rate=auto",
  ]
  private static let notes = Array("a year's work".utf8)

  /// Refused before anything is measured, and nothing of the user's is gone.
  @Test(arguments: ["analyze", "finetune"], ["candidates", "pending"])
  func aFolderOfTheUserSurvives(_ command: String, _ name: String) throws {
    let shop = try Workshop(method: Self.auto)
    let files = ["notes.txt", "3/last/state.sfstate", "12.sfstate"].map { "run/\(name)/\($0)" }
    for file in files { try shop.folder.write(Self.notes, to: file) }
    let outcome = try shop.sparseft.run([command, "recipe.json"] + Self.measuring)
    #expect(outcome.exitCode == 73)
    #expect(
      outcome.error.hasSuffix(
        "error: creating '\(shop.folder["run/\(name)"])': found a folder of that name that sparseft "
          + "did not make, which stays as it is: move it away, or choose another output folder\n"),
      "\(outcome.error)")
    for file in files { #expect(try shop.folder.read(file) == Self.notes) }
    #expect(!shop.files.contains { $0.hasSuffix("contributions.json") })
  }

  /// A run that needs neither name leaves both alone.
  @Test func aRunThatMeasuresNothingGoesOnBesideThem() throws {
    let shop = try Workshop()
    let files = ["run/candidates/0/last/state.sfstate", "run/pending/1.sfstate"]
    for file in files { try shop.folder.write(Self.notes, to: file) }
    try shop.finetune("run.validate_every=1")
    try shop.finetune("run.validate_every=1", "run.steps=4", "--resume", "--accept-changes")
    for file in files { #expect(try shop.folder.read(file) == Self.notes) }
  }

  @Test(arguments: ["analyze", "finetune"], ["candidates", "pending"])
  func aLinkIsNotFollowed(_ command: String, _ name: String) throws {
    let shop = try Workshop(method: Self.auto)
    try shop.folder.write(Self.notes, to: "elsewhere/3/last/state.sfstate")
    mkdir(shop.folder["run"], 0o755)
    symlink(shop.folder["elsewhere"], shop.folder["run/\(name)"])
    let outcome = try shop.sparseft.run([command, "recipe.json"] + Self.measuring)
    #expect(outcome.exitCode == 73)
    #expect(outcome.error.contains("found a symbolic link of that name"), "\(outcome.error)")
    // A run that needs no such folder follows it as little.
    try shop.writeRecipe(method: #"{"type": "norms"}"#)
    try shop.finetune()
    #expect(try shop.folder.read("elsewhere/3/last/state.sfstate") == Self.notes)
    #expect(Folder.exists(shop.folder["run/\(name)/3/last/state.sfstate"]))
  }

  /// What an earlier run left in folders of its own goes; a file that somebody put there stays.
  @Test func leftoversOfItsOwnGo() throws {
    let shop = try Workshop(method: Self.auto)
    for name in ["candidates", "pending"] {
      // No contents: makes the folder only.
      try WorkFolder(shop.folder["run/\(name)"], WorkFolder.Contents()).create()
    }
    let leftovers = [
      "run/candidates/0/last/state.sfstate", "run/candidates/9/pending/5.sfstate",
      "run/pending/5.sfstate",
    ]
    for file in leftovers { try shop.folder.write("old", to: file) }
    try shop.succeed(["finetune", "recipe.json"] + Self.measuring)
    #expect(!Folder.exists(shop.folder["run/candidates"]))
    #expect(!Folder.exists(shop.folder["run/pending"]))
  }

  @Test func aForeignFileInItsFolderStays() throws {
    let shop = try Workshop(method: Self.auto)
    let foreign = ["run/candidates/notes.txt", "run/pending/notes.txt"]
    for name in ["candidates", "pending"] {
      try WorkFolder(shop.folder["run/\(name)"], WorkFolder.Contents()).create()
    }
    for file in foreign { try shop.folder.write(Self.notes, to: file) }
    try shop.succeed(["finetune", "recipe.json"] + Self.measuring)
    for file in foreign { #expect(try shop.folder.read(file) == Self.notes) }
    let rest = shop.files.filter { $0.hasPrefix("run/candidates/") || $0.hasPrefix("run/pending/") }
    #expect(rest.filter { !$0.hasSuffix("/.sparseft") } == foreign)
  }
}
