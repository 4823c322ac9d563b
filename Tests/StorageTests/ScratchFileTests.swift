import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Bytes that come back as they were, from a file that nobody sees.
@Suite struct ScratchFileTests {
  @Test func bytesComeBack() throws {
    let folder = try TemporaryFolder()
    let file = try ScratchFile(folder: folder.path)
    #expect(folder.entries == [])
    let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 31) }
    try bytes.withUnsafeBytes { try file.write($0, at: 1 << 33) }
    var found = [UInt8](repeating: 1, count: bytes.count)
    try found.withUnsafeMutableBytes { try file.read(into: $0, at: 1 << 33) }
    #expect(found == bytes)
    try found.withUnsafeMutableBytes { try file.read(into: $0, at: 5) }
    #expect(found.allSatisfy { $0 == 0 })
    #expect(folder.entries == [])
  }

  @Test func failuresSayWhere() throws {
    let folder = try TemporaryFolder()
    let file = try ScratchFile(folder: folder.path)
    try [UInt8]([1, 2]).withUnsafeBytes { try file.write($0, at: 0) }
    var three: [UInt8] = [0, 0, 0]
    let short = #expect(throws: StorageError.self) {
      try three.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
    }
    #expect(short?.description.contains("ends at byte 2, expected 3") == true)
    let missing = #expect(throws: StorageError.self) {
      try ScratchFile(folder: folder["missing"])
    }
    #expect(missing?.category == .cannotCreate)
    let full = ScratchFile(folder: "full", descriptor: open("/dev/full", O_RDWR))
    let error = #expect(throws: StorageError.self) {
      try three.withUnsafeBytes { try full.write($0, at: 0) }
    }
    #expect(error?.description.contains("No space left on device") == true)
  }

  @Test func freeSpaceIsKnown() throws {
    let folder = try TemporaryFolder()
    #expect(try #require(Folder.availableBytes(folder.path)) > 0)
    #expect(Folder.availableBytes(folder["missing"]) == nil)
  }
}
