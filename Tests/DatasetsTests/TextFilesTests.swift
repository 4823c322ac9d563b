import Datasets
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct TextFilesTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    for name in [
      "in/b.txt", "in/a.txt", "in/B.md", "in/sub/c.txt", "in/sub/deep/d.txt", "in/sub/.hidden",
      "in/.git/config", "in/sub.txt", "in/ü.txt", "x[1].txt", "x1.txt",
    ] {
      // `write` makes one folder at a time, so parents first.
      try folder.write("text of \(name)", to: name)
    }
  }

  private func resolve(_ paths: String...) throws -> [String] {
    try TextFiles.resolve(paths, relativeTo: folder.path).files.map {
      String($0.dropFirst(folder.path.count + 1))
    }
  }

  private func failure(_ paths: String...) -> DatasetError? {
    #expect(throws: DatasetError.self) {
      try TextFiles.resolve(paths, relativeTo: folder.path)
    }
  }

  @Test func aFolderIsAllBelowItSortedByBytes() throws {
    let all = ["B.md", "a.txt", "b.txt", "sub.txt", "sub/c.txt", "sub/deep/d.txt", "ü.txt"]
    #expect(try resolve("in") == all.map { "in/" + $0 })
    #expect(try resolve("in/") == all.map { "in/" + $0 })
    #expect(try resolve("in/sub") == ["in/sub/c.txt", "in/sub/deep/d.txt"])
    // Absolute paths stand as they are.
    #expect(try resolve(folder["in/sub"]) == ["in/sub/c.txt", "in/sub/deep/d.txt"])
  }

  @Test func patternsAreFollowedThroughFolders() throws {
    #expect(try resolve("in/*.txt") == ["in/a.txt", "in/b.txt", "in/sub.txt", "in/ü.txt"])
    #expect(try resolve("in/?.txt") == ["in/a.txt", "in/b.txt", "in/ü.txt"])
    #expect(try resolve("in/[a-b].*") == ["in/a.txt", "in/b.txt"])
    #expect(try resolve("in/[!a-b].*") == ["in/B.md", "in/ü.txt"])
    #expect(try resolve("in/**/*.txt").count == 6)
    #expect(try resolve("in/**/d.txt") == ["in/sub/deep/d.txt"])
    #expect(try resolve("in/**").count == 7)
    #expect(try resolve("*/sub/*/d*") == ["in/sub/deep/d.txt"])
    // A folder that matches stands for what is below.
    #expect(try resolve("in/s*b") == ["in/sub/c.txt", "in/sub/deep/d.txt"])
    // Hidden names only for patterns that begin with a dot.
    #expect(try resolve("in/sub/.*") == ["in/sub/.hidden"])
    #expect(try resolve("in/.git/conf*") == ["in/.git/config"])
  }

  @Test func aFileOfThatNameGoesBeforeThePattern() throws {
    #expect(try resolve("x[1].txt") == ["x[1].txt"])
    #expect(try resolve("x[0-9].txt") == ["x1.txt"])
  }

  @Test func theListsOrderIsKeptAndNothingIsReadTwice() throws {
    let text = try TextFiles.resolve(["in/b.txt", "in/*.txt", "in/b.txt"], relativeTo: folder.path)
    #expect(
      text.files.map { $0.dropFirst(folder.path.count) }
        == ["/in/b.txt", "/in/a.txt", "/in/sub.txt", "/in/ü.txt"])
    #expect(text.skipped.map(\.path) == [folder["in/b.txt"], folder["in/b.txt"]])
  }

  @Test func whatIsNotThereIsMissingInput() throws {
    for path in ["nowhere", "in/*.csv", "nowhere/*", "", "in/[z"] {
      let error = failure(path)
      guard case .noMatch = error else {
        Issue.record("\(path): \(String(describing: error))")
        continue
      }
      #expect(error?.category == .missingInput)
    }
    try folder.write([0, 1, 2], to: "binary/x.bin")
    #expect(failure("binary")?.description.contains("holds no text files") == true)
    #expect(failure("nowhere")?.description.contains("no such file or folder") == true)
  }

  @Test func whatIsNoTextIsAnErrorByNameAndSkippedInAFolder() throws {
    try folder.write([0x61, 0x62, 0x00], to: "in/zero.bin")
    try folder.write([0x61, 0xFF], to: "in/latin.txt")
    let text = try TextFiles.resolve(["in"], relativeTo: folder.path)
    #expect(text.files.count == 7)
    #expect(text.skipped.map(\.path) == [folder["in/latin.txt"], folder["in/zero.bin"]])
    #expect(text.skipped.first?.description.contains("byte 0xFF at byte 1") == true)
    for (name, offset) in [("in/zero.bin", 2), ("in/latin.txt", 1)] {
      let error = failure(name)
      guard case .notText(folder[name], offset, _) = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
      #expect(error?.category == .badData)
    }
  }

  @Test func textIsCheckedAcrossChunkBorders() throws {
    // Three-byte characters lie across every border of a mebibyte.
    var bytes = Array("a".utf8)
    for _ in 0..<800_000 { bytes += [0xE4, 0xB8, 0xAD] }
    try folder.write(bytes, to: "long.txt")
    #expect(try resolve("long.txt") == ["long.txt"])
    for place in [1 << 20, (1 << 20) - 1, 2_000_003, bytes.count - 1] {
      var damaged = bytes
      damaged[place] = 0x41
      try folder.write(damaged, to: "damaged.txt")
      guard case .notText(_, let offset, _) = failure("damaged.txt") else { continue }
      #expect((place - 2...place + 1).contains(offset))
    }
    try folder.write(Array(bytes.dropLast()), to: "cut.txt")
    guard case .notText(_, bytes.count - 3, _) = failure("cut.txt") else {
      Issue.record("a character cut by the file's end")
      return
    }
  }

  @Test func rowsAreFilesLikeOthers() throws {
    try folder.write("{}", to: "rows/a.jsonl")
    for path in ["rows/a.jsonl", "rows", "rows/*"] {
      #expect(try resolve(path) == ["rows/a.jsonl"])
    }
  }

  @Test func linksInCirclesAndPipesEnd() throws {
    #expect(symlink("..", folder["in/sub/up"]) == 0)
    #expect(symlink("nowhere", folder["in/broken"]) == 0)
    #expect(mkfifo(folder["in/pipe"], 0o600) == 0)
    let text = try TextFiles.resolve(["in"], relativeTo: folder.path)
    #expect(text.files.count == 7)
    #expect(text.skipped.map(\.description) == ["skipped '\(folder["in/pipe"])': it is a pipe"])
    #expect(failure("in/pipe")?.category == .missingInput)
  }

  @Test func hostilePatternsAreQuick() throws {
    try folder.write("x", to: String(repeating: "a", count: 200))
    #expect(failure(String(repeating: "a*", count: 60) + "b")?.category == .missingInput)
  }
}
