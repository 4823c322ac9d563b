import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Folders that the program makes among a user's files, and what it leaves alone.
@Suite struct WorkFolderTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Files `*.state`, and folders of numbers with such files.
  private static let contents = WorkFolder.Contents(
    isFile: { $0.hasSuffix(".state") },
    folder: { Int($0) == nil ? nil : WorkFolder.Contents(isFile: { $0.hasSuffix(".state") }) })

  private var work: WorkFolder { WorkFolder(folder["a/work"], Self.contents) }

  @Test func whatWasMadeGoesAgain() throws {
    #expect(!work.exists)
    try work.create()
    try work.create()
    #expect(work.exists)
    for name in ["1.state", "7/2.state", "7/.sparseft-abc.partial", ".sparseft-x.partial"] {
      try folder.write("own", to: "a/work/\(name)")
    }
    mkdir(folder["a/work/.sparseft-y.partial"], 0o755)
    try work.check()
    work.remove("7")
    #expect(!Folder.exists(folder["a/work/7"]) && Folder.exists(folder["a/work/1.state"]))
    work.remove()
    #expect(!Folder.exists(folder["a/work"]) && Folder.exists(folder["a"]))
    work.remove()
  }

  /// A foreign file stays wherever it is, and so does its folder, which is used again.
  @Test func whatOthersPutThereStays() throws {
    try work.create()
    let foreign = ["notes.txt", "7/notes.txt", "mine/1.state", "8.text"]
    for name in foreign + ["1.state", "7/1.state"] { try folder.write("x", to: "a/work/\(name)") }
    work.remove()
    for name in foreign { #expect(try folder.read("a/work/\(name)") == Array("x".utf8)) }
    #expect(!Folder.exists(folder["a/work/1.state"]) && !Folder.exists(folder["a/work/7/1.state"]))
    #expect(work.exists)
    try work.create()
  }

  /// A folder without the marker, or with another one, is somebody else's.
  @Test(arguments: ["", "1.state", ".sparseft"])
  func anUnmarkedFolderIsLeftAlone(_ name: String) throws {
    try folder.write("x", to: name.isEmpty ? "a/other" : "a/work/\(name)")
    if name.isEmpty { mkdir(folder["a/work"], 0o755) }
    #expect(!work.exists)
    refused(work, "a folder", at: folder["a/work"])
    work.remove()
    work.remove(name)
    #expect(Folder.isFolder(folder["a/work"]))
    if !name.isEmpty { #expect(try folder.read("a/work/\(name)") == Array("x".utf8)) }
  }

  @Test func aFileInItsPlaceIsLeftAlone() throws {
    try folder.write("x", to: "a/work")
    refused(work, "a file", at: folder["a/work"])
    work.remove()
    #expect(try folder.read("a/work") == Array("x".utf8))
  }

  /// Not even to a folder with the marker, nor to nothing.
  @Test(arguments: [true, false])
  func aLinkInItsPlaceIsNotFollowed(_ isBroken: Bool) throws {
    let other = WorkFolder(folder["b"], Self.contents)
    if !isBroken {
      try other.create()
      try folder.write("x", to: "b/1.state")
    }
    mkdir(folder["a"], 0o755)
    symlink(folder["b"], folder["a/work"])
    refused(work, "a symbolic link", at: folder["a/work"])
    work.remove()
    work.remove("1.state")
    #expect(Folder.exists(folder["b"]) == !isBroken)
    if !isBroken { #expect(folder.entries == ["a", "b"] && Folder.exists(folder["b/1.state"])) }
  }

  /// Links to a folder and to a file, with names of the program's own.
  @Test func linksInItAreNotFollowed() throws {
    try work.create()
    try folder.write("x", to: "b/1.state")
    symlink(folder["b"], folder["a/work/7"])
    refused(work, "a symbolic link", at: folder["a/work/7"])
    work.remove("7")
    work.remove()
    #expect(try folder.read("b/1.state") == Array("x".utf8))
    #expect(Folder.exists(folder["a/work/7/1.state"]))
    unlink(folder["a/work/7"])
    symlink(folder["b/1.state"], folder["a/work/2.state"])
    refused(work, "a symbolic link", at: folder["a/work/2.state"])
    work.remove()
    #expect(try folder.read("a/work/2.state") == Array("x".utf8))
  }

  /// `check` and `create` name the place and what is there, and change nothing.
  private func refused(
    _ work: WorkFolder, _ found: String, at path: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    for body in [work.check, work.create] as [() throws(StorageError) -> Void] {
      do {
        try body()
        Issue.record("taken over", sourceLocation: sourceLocation)
      } catch {
        #expect(error.category == .cannotCreate, sourceLocation: sourceLocation)
        #expect(
          error.description.hasPrefix("creating '\(path)': found \(found) of that name"),
          "\(error)", sourceLocation: sourceLocation)
      }
    }
  }
}
