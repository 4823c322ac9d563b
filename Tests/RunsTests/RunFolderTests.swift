import Runs
import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Output folders that are used again, by this program or by somebody else.
@Suite struct RunFolderTests {
  private func read(_ fixture: RunsFixture, _ name: String) throws -> [UInt8] {
    try fixture.folder.read(name)
  }

  private func exists(_ fixture: RunsFixture, _ name: String) -> Bool {
    Folder.exists(fixture.folder[name])
  }

  @Test func anEarlierRunIsSetAsideWhole() throws {
    let fixture = try RunsFixture()
    _ = try fixture.train()
    let files =
      ["events.jsonl", "summary.json", "recipe.resolved.json"]
      + ["best/trained.sfdelta", "last/trained.sfdelta", "last/state.sfstate"]
    let first = try files.map { try read(fixture, "run/\($0)") }
    try fixture.folder.write("mine", to: "run/notes.txt")

    let second = try fixture.train("seed=2")
    #expect(try files.map { try read(fixture, "run-1/\($0)") } == first)
    #expect(
      second.events.warnings.contains {
        $0.hasPrefix("the run that was in '\(fixture.folder["run"])' is now in")
      })
    // What is not the run's, and what the next run can use, stays.
    #expect(try read(fixture, "run/notes.txt") == Array("mine".utf8))
    #expect(exists(fixture, "run/cache") && !exists(fixture, "run-1/cache"))

    _ = try fixture.train("seed=3")
    #expect(try files.map { try read(fixture, "run-1/\($0)") } == first)
    #expect(exists(fixture, "run-2/last/state.sfstate"))
    #expect(try Folder.names(fixture.folder["run"]).allSatisfy { !$0.hasPrefix(".sparseft") })
  }

  @Test func overwritingReplacesTheRunAndNothingElse() throws {
    let fixture = try RunsFixture()
    _ = try fixture.train()
    for name in ["run/notes.txt", "run/best/notes.txt"] {
      try fixture.folder.write("mine", to: name)
    }
    let folder = try RunFolder(fixture.folder["run"], overwrites: true)
    #expect(try folder.makeRoom() == nil)
    for name in ["events.jsonl", "best/trained.sfdelta", "last"] {
      #expect(!exists(fixture, "run/\(name)"), "\(name)")
    }
    #expect(try read(fixture, "run/best/notes.txt") == Array("mine".utf8))
    #expect(exists(fixture, "run/notes.txt") && !exists(fixture, "run-1"))
  }

  /// Files of somebody else's with the names of a run's are refused before anything is written.
  @Test(arguments: [
    ("events.jsonl", "{\"mine\": 1}\n"), ("summary.json", #"{"title": "a book"}"#),
    ("recipe.resolved.json", "[]"), ("compare.json", "{}"), ("contributions.json", "not JSON"),
    ("last/state.sfstate", "a list of states"), ("best", "a file"),
  ])
  func foreignFilesAreLeftAlone(_ name: String, _ content: String) throws {
    let folder = try TemporaryFolder()
    try folder.write(content, to: "run/\(name)")
    let error = #expect(throws: StorageError.self) { try RunFolder(folder["run"]) }
    #expect(
      error?.description.hasPrefix("creating '\(folder["run/" + name])': found a file") == true)
    #expect(error?.category == .cannotCreate)
    #expect(try folder.read("run/\(name)") == Array(content.utf8))
  }

  @Test func linksAreNotFollowed() throws {
    let fixture = try RunsFixture()
    _ = try fixture.train()
    #expect(rename(fixture.folder["run/best"], fixture.folder["elsewhere"]) == 0)
    symlink(fixture.folder["elsewhere"], fixture.folder["run/best"])
    let error = #expect(throws: StorageError.self) { try RunFolder(fixture.folder["run"]) }
    #expect(error?.description.contains("found a symbolic link of that name") == true)
    #expect(exists(fixture, "elsewhere/trained.sfdelta"))
  }

  @Test func oneProcessAtATime() throws {
    let folder = try TemporaryFolder()
    var holder: RunFolder? = try RunFolder(folder["run"])
    withExtendedLifetime(holder) {
      let error = #expect(throws: StorageError.self) { try RunFolder(folder["run"]) }
      #expect(
        error?.description
          == "the folder '\(folder["run"])' is in use by process \(getpid()): wait for it to end, or "
          + "choose another output folder")
    }
    holder = nil
    // Nothing came of it, so nothing is left of it; and a stale file holds nobody up.
    #expect(!Folder.exists(folder["run"]))
    try folder.write("4000000\n", to: "run/\(FolderLock.fileName)")
    _ = try RunFolder(folder["run"])
    #expect(try Folder.names(folder["run"]) == [])
  }

  /// Killed between two moves: the earlier run goes on if it is resumed, else it is set aside.
  @Test(arguments: [true, false])
  func aKilledMoveIsMadeUpFor(_ resuming: Bool) throws {
    let fixture = try RunsFixture()
    _ = try fixture.train()
    let state = try read(fixture, "run/last/state.sfstate")
    try Folder.create(fixture.folder["run/.sparseft-earlier"])
    for name in ["events.jsonl", "best"] {
      try Folder.move(
        fixture.folder["run/\(name)"], to: fixture.folder["run/.sparseft-earlier/\(name)"])
    }
    let folder = try RunFolder(fixture.folder["run"], resuming: resuming)
    if !resuming { #expect(try folder.makeRoom() != nil) }
    let place = resuming ? "run" : "run-1"
    for name in ["events.jsonl", "best/trained.sfdelta", "summary.json"] {
      #expect(exists(fixture, "\(place)/\(name)"), "\(name)")
    }
    #expect(try read(fixture, "\(place)/last/state.sfstate") == state)
    #expect(!exists(fixture, "run/.sparseft-earlier"))
  }

  @Test func whatKilledWritersLeftGoes() throws {
    let folder = try TemporaryFolder()
    let (old, new) = ("run/best/.sparseft-abc.partial", "run/best/.sparseft-def.partial")
    for name in [old, new] { try folder.write("half", to: name) }
    var times = [timeval(tv_sec: 1, tv_usec: 0), timeval(tv_sec: 1, tv_usec: 0)]
    #expect(utimes(folder[old], &times) == 0)
    _ = try RunFolder(folder["run"])
    #expect(!Folder.exists(folder[old]))
    #expect(Folder.exists(folder[new]), "another writer's")
  }
}
