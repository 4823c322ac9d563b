import Storage
import TestSupport
import Testing

@Suite struct AtomicFolderTests {
  @Test func appearsWhole() throws {
    let folder = try TemporaryFolder()
    let made = try AtomicFolder(path: folder["out/"])
    try made.write([1, 2], to: "a")
    #expect(!Folder.exists(folder["out"]))
    try made.commit()
    #expect(try folder.read("out/a") == [1, 2])
    #expect(try Folder.names(folder.path) == ["out"])
  }

  @Test func nothingRemainsWithoutACommit() throws {
    let folder = try TemporaryFolder()
    do { try AtomicFolder(path: folder["out"]).write([1], to: "a") }
    #expect(try Folder.names(folder.path).isEmpty)
  }

  @Test func whatIsThereStays() throws {
    let folder = try TemporaryFolder()
    try folder.write("mine", to: "full/a")
    try folder.write("mine", to: "file")
    for path in ["full", "file", "missing/x", "/", ""] {
      #expect(throws: StorageError.self) {
        try AtomicFolder(path: path.isEmpty ? "" : folder[path])
      }
    }
    #expect(try folder.read("full/a") == Array("mine".utf8))
    try Folder.create(folder["empty"])
    try AtomicFolder(path: folder["empty"]).commit()
    #expect(Folder.isFolder(folder["empty"]))
  }
}
