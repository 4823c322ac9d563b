import TestSupport
import Testing

@testable import Datasets

#if canImport(Glibc)
  import Glibc
#endif

/// Folders full of links, and what is never training text.
@Suite struct FolderWalkTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func names(_ text: TextFiles) -> [String] {
    text.files.map { String($0.dropFirst(folder.path.utf8.count + 1)) }
  }

  @Test func foldersThatLinkToEachOtherEnd() throws {
    for index in 1...9 {
      try folder.write("text \(index)", to: "all/\(index)/t.txt")
      for other in 1...9 { _ = symlink("../\(other)", folder["all/\(index)/to\(other)"]) }
    }
    let expected = (1...9).map { "all/\($0)/t.txt" }
    let deep = String(repeating: "**/", count: 12)
    for path in ["all", "all/**", deep + "*.txt", "all/" + deep + "t.txt", "all/*/**"] {
      let text = try TextFiles.resolve([path], relativeTo: folder.path)
      #expect(names(text) == expected, "\(path)")
    }
    // Without "**" each folder is read once for each part, under one of its names.
    let chains = try TextFiles.resolve(
      ["all/*/" + String(repeating: "*/", count: 11) + "*.txt"], relativeTo: folder.path)
    #expect(chains.files.count == 9)
  }

  @Test func aFolderIsReadUnderItsOwnName() throws {
    try folder.write("text", to: "in/z/t.txt")
    #expect(symlink("z", folder["in/a"]) == 0)
    #expect(try names(.resolve(["in"], relativeTo: folder.path)) == ["in/z/t.txt"])
    // A link to a folder elsewhere is followed.
    try folder.write("more", to: "else/m.txt")
    #expect(symlink("../else", folder["in/other"]) == 0)
    #expect(
      try names(.resolve(["in"], relativeTo: folder.path)) == ["in/other/m.txt", "in/z/t.txt"])
  }

  @Test func tooManyFilesAreAnError() throws {
    for index in 0..<20 { try folder.write("t", to: "many/\(index).txt") }
    let error = #expect(throws: DatasetError.self) {
      try FolderListing(below: folder["many"], fileLimit: 19)
    }
    #expect(error?.category == .usage)
    #expect(error?.description.contains("more than 19 files") == true)
    #expect(try FolderListing(below: folder["many"], fileLimit: 20).files.count == 20)
  }

  @Test func whatIsExcludedIsLeftOutUnlessNamed() throws {
    for name in ["recipe.json", "text.txt", "run/events.jsonl", "run/cache/x.tokens", ".hidden"] {
      try folder.write("{}", to: name)
    }
    let excluding = [
      ExcludedPath(folder["recipe.json"], "it is the recipe"),
      ExcludedPath(folder["run"], "it is the run's output folder"),
      ExcludedPath(folder["absent"], "it is not there"),
    ]
    for path in [".", "**", "*", "**/*"] {
      let text = try TextFiles.resolve([path], relativeTo: folder.path, excluding: excluding)
      #expect(text.files.map { String($0.split(separator: "/").last ?? "") } == ["text.txt"])
      #expect(text.skipped.map(\.reason).contains("it is the recipe"))
    }
    let named = try TextFiles.resolve(
      ["recipe.json", "run/events.jsonl"], relativeTo: folder.path, excluding: excluding)
    #expect(names(named) == ["recipe.json", "run/events.jsonl"])
    #expect(throws: DatasetError.self) {
      try TextFiles.resolve(["*.json"], relativeTo: folder.path, excluding: excluding)
    }
  }
}
