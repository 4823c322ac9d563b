import Storage
import Tensors
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct FileTests {
  private func category(_ body: () throws -> Void) -> FailureCategory? {
    do {
      try body()
      return nil
    } catch { return (error as? any Failure)?.category }
  }

  @Test func mapsWhatIsInAFile() throws {
    let folder = try TemporaryFolder()
    let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let file = try MappedFile(path: folder.write(bytes, to: "x"))
    #expect(file.bytes.elementsEqual(bytes))
    file.releasePages(-5..<20_000)
    file.releasePages(4097..<4098)
    #expect(file.bytes.elementsEqual(bytes))
  }

  @Test func anUnfinishedFileHasNoName() throws {
    let folder = try TemporaryFolder()
    let probe = open(folder.path, O_WRONLY | AtomicFile.nameless, 0o600)
    try #require(probe >= 0, "the temporary folder's file system knows no nameless files")
    close(probe)
    let file = try AtomicFile(path: folder["x"])
    try file.write(Array("half".utf8))
    #expect(folder.entries.isEmpty)
    try file.commit()
    #expect(folder.entries == ["x"])
  }

  @Test func mapsAnEmptyFile() throws {
    let folder = try TemporaryFolder()
    let file = try MappedFile(path: folder.write([UInt8](), to: "x"))
    #expect(file.bytes.isEmpty)
    file.releasePages(0..<1)
  }

  @Test func refusesWhatIsNoFile() throws {
    let folder = try TemporaryFolder()
    mkfifo(folder["pipe"], 0o600)
    #expect(category { _ = try MappedFile(path: folder.path) } == .missingInput)
    #expect(category { _ = try MappedFile(path: folder["pipe"]) } == .missingInput)
    #expect(category { _ = try MappedFile(path: folder["absent"]) } == .missingInput)
    #expect(category { _ = try MappedFile(path: "a\0b") } == .missingInput)
  }

  @Test func aCommittedFileIsWhole() throws {
    let folder = try TemporaryFolder()
    let file = try AtomicFile(path: folder["x"])
    try file.write([1, 2, 3])
    try file.pad(to: 5000)
    try file.write([4])
    try file.overwrite([9, 9], at: 1)
    #expect(file.position == 5001)
    #expect(!folder.entries.contains("x"))
    try file.commit()
    #expect(folder.entries == ["x"])
    let bytes = try folder.read("x")
    #expect(bytes == [1, 9, 9] + [UInt8](repeating: 0, count: 4997) + [4])
  }

  @Test func aCommitReplacesAFile() throws {
    let folder = try TemporaryFolder()
    try folder.write("old", to: "x")
    try AtomicFile.write(Array("new".utf8), to: folder["x"])
    #expect(try folder.read("x") == Array("new".utf8))
    #expect(folder.entries == ["x"])
  }

  private func mode(_ path: String) -> mode_t {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
  }

  /// What one person alone may read stays so, also while it is written.
  @Test(arguments: [0o600, 0o640, 0o666, 0o444] as [mode_t])
  func aReplacedFilePassesItsPermissionsOn(_ permissions: mode_t) throws {
    let folder = try TemporaryFolder()
    try folder.write("old", to: "x")
    chmod(folder["x"], permissions)
    try AtomicFile.write(Array("new".utf8), to: folder["x"])
    #expect(try folder.read("x") == Array("new".utf8))
    #expect(mode(folder["x"]) == permissions)
  }

  @Test func aNewFileHasThePermissionsOfAnyOther() throws {
    let folder = try TemporaryFolder()
    let plain = open(folder["plain"], O_WRONLY | O_CREAT, 0o666)
    close(plain)
    try AtomicFile.write([1], to: folder["x"])
    #expect(mode(folder["x"]) == mode(folder["plain"]))
  }

  /// A link stays, and what it leads to is replaced, also where that is not there yet.
  @Test func aLinkIsFollowed() throws {
    let folder = try TemporaryFolder()
    try Folder.create(folder["inner"])
    try folder.write("old", to: "inner/x")
    chmod(folder["inner/x"], 0o600)
    symlink("inner/x", folder["relative"])
    symlink(folder["relative"], folder["chain"])
    symlink("inner/new", folder["dangling"])
    for (link, target) in [("relative", "x"), ("chain", "x"), ("dangling", "new")] {
      try AtomicFile.write(Array(link.utf8), to: folder[link])
      #expect(try folder.read("inner/\(target)") == Array(link.utf8))
      var status = stat()
      #expect(lstat(folder[link], &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
    }
    #expect(mode(folder["inner/x"]) == 0o600)
    #expect(try Folder.names(folder["inner"]).sorted() == ["new", "x"])
    #expect(folder.entries.sorted() == ["chain", "dangling", "inner", "relative"])
  }

  /// Links to open streams are no places for files, wherever the stream leads.
  @Test func streamsAreRefused() throws {
    let folder = try TemporaryFolder()
    let file = open(folder["x"], O_RDWR | O_CREAT, 0o600)
    defer { close(file) }
    symlink("/proc/self/fd/\(file)", folder["link"])
    symlink("loop", folder["loop"])
    symlink(".", folder["here"])
    let streams = ["/proc/self/fd/\(file)", "/dev/fd/\(file)", "/dev/stdout", folder["link"]]
    for path in streams {
      #expect(category { _ = try AtomicFile(path: path) } == .cannotCreate, "\(path)")
      #expect(throws: StorageError.self) { try AtomicFile.write([1], to: path) }
    }
    for path in [folder["loop"], folder["here"]] {
      #expect(category { _ = try AtomicFile(path: path) } == .cannotCreate, "\(path)")
    }
    #expect(try folder.read("x") == [])
  }

  /// What to do is said for each way in which creating fails.
  @Test func theAdviceFitsTheFailure() throws {
    let folder = try TemporaryFolder()
    try AtomicFile.write([1], to: folder["file"])
    try Folder.create(folder["folder"])
    symlink("loop", folder["loop"])
    let long = String(repeating: "n", count: 300)
    let cases = [
      ("/dev/stdout", "only files are written; name a file"),
      ("", "names no file; end it with a file's name"),
      (folder["none/x"], "No such file or directory; create its folder first"),
      (folder["file/x"], "Not a directory; a part of the path is a file"),
      (folder["folder"], "a folder of that name exists; choose another name"),
      (folder["loop"], "links; its links lead in a circle"),
      (folder["\(long)/x"], "File name too long; choose a shorter name"),
    ]
    for (path, advice) in cases {
      let error = #expect(throws: StorageError.self) { try AtomicFile.write([1], to: path) }
      #expect(error?.description.contains(advice) == true, "\(error?.description ?? path)")
      #expect(error?.description.contains("free some space") == false)
    }
    #expect(
      creatingAdvice("Read-only file system") == "choose a folder that you may write to")
    #expect(creatingAdvice("No space left on device") == "free some space and try again")
  }

  @Test func aLargeFilePointerIsNamed() throws {
    let folder = try TemporaryFolder()
    let text = """
      version https://git-lfs.github.com/spec/v1
      oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
      size 269060552

      """
    let path = try folder.write(text, to: "model.safetensors")
    do {
      _ = try MappedFile(path: path)
      Issue.record("a pointer was taken for the file")
    } catch {
      #expect(error.category == .badData)
      #expect(
        error.description == """
          reading '\(path)': found a Git LFS pointer, a text in place of the file of 269060552 bytes, \
          expected the file itself; run 'git lfs pull' in its folder
          """)
    }
    let note = try folder.write("version https://git-lfs.github.com/spec/v2\n", to: "note")
    #expect(try MappedFile(path: note).bytes.count == 43)
  }

  @Test func nothingIsLeftWithoutACommit() throws {
    let folder = try TemporaryFolder()
    let aborted = try AtomicFile(path: folder["x"])
    try aborted.write([1])
    aborted.abort()
    #expect(folder.entries.isEmpty)
    do {
      let dropped = try AtomicFile(path: folder["y"])
      try dropped.write([1])
    }
    #expect(folder.entries.isEmpty)
  }

  @Test func refusesWhereNoFileCanBe() throws {
    let folder = try TemporaryFolder()
    for path in [folder["no/x"], folder.path, "/dev/null", "", folder["x/"], "a\0b"] {
      #expect(category { _ = try AtomicFile(path: path) } == .cannotCreate, "\(path)")
    }
    #expect(folder.entries.isEmpty)
  }

  @Test(.enabled(if: access("/dev/full", W_OK) == 0, "no /dev/full"))
  func aFullDiskIsAnInputOutputError() throws {
    let file = AtomicFile(path: "x", descriptor: open("/dev/full", O_WRONLY))
    do {
      try file.write([1])
      Issue.record("a full disk took a byte")
    } catch {
      #expect(error.category == .inputOutput)
      #expect(error.description.contains("'x'"))
    }
  }

  @Test func hashesAsPublished() {
    // FIPS 180-4's examples.
    #expect(
      ContentHash.hexadecimal(ContentHash.digest([]))
        == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    let hash = ContentHash()
    hash.update(Array("a".utf8))
    hash.update([])
    hash.update(Array("bc".utf8))
    #expect(
      ContentHash.hexadecimal(hash.finish())
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test func readsNumbersAndStopsAtTheEnd() throws {
    let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 128, 63, 9]
    try bytes.withUnsafeBytes { (buffer) throws in
      var reader = ByteReader(buffer, source: "f", offset: 1)
      let numbers = (
        try reader.integer(UInt8.self, "a"), try reader.integer(UInt16.self, "b"),
        try reader.integer(Int32.self, "c"), try reader.float("d")
      )
      #expect(numbers == (2, 0x0403, 0x0807_0605, 1))
      #expect(reader.remaining == 1)
      #expect(throws: StorageError.self) { try reader.integer(UInt16.self, "e") }
      #expect(throws: StorageError.self) { try reader.skip(-1, "e") }
      #expect(throws: StorageError.self) { try reader.skip(.max, "e") }
      let last = try reader.slice(1, "g")
      #expect(last.elementsEqual([9]))
      #expect(reader.remaining == 0)
    }
  }

  /// What could not be filled leaves no empty folders; what was there or has contents stays.
  @Test func foldersOfAFailedStartAreRemoved() throws {
    struct Failed: Error {}
    let folder = try TemporaryFolder()
    try Folder.create(folder["mine"])
    #expect(throws: Failed.self) {
      try Folder.creating(folder["mine/run/cache"]) { throw Failed() }
    }
    #expect(try Folder.names(folder["mine"]) == [])
    #expect(throws: Failed.self) {
      try Folder.creating(folder["mine/run/cache"]) {
        try folder.write("x", to: "mine/run/note")
        throw Failed()
      }
    }
    #expect(try Folder.names(folder["mine/run"]) == ["note"])
    #expect(try Folder.creating(folder["mine/run/cache"]) { 3 } == 3)
    #expect(Folder.isFolder(folder["mine/run/cache"]))
  }
}
