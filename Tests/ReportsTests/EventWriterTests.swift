import Reports
import Storage
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct EventWriterTests {
  private func text(_ folder: TemporaryFolder, _ name: String) throws -> String {
    String(decoding: try folder.read(name), as: UTF8.self)
  }

  @Test func oneObjectALineAsItHappens() throws {
    let folder = try TemporaryFolder()
    let writer = try EventWriter(path: folder["events.jsonl"])
    try writer.write(["type": "start", "model": "a\nb"])
    #expect(try text(folder, "events.jsonl") == "{\"type\":\"start\",\"model\":\"a\\nb\"}\n")
    try writer.write(["type": "step", "step": 1, "loss": .number(.nan)])
    #expect(
      try text(folder, "events.jsonl").split(separator: "\n").last
        == "{\"type\":\"step\",\"step\":1,\"loss\":null}")
  }

  @Test func startsAnewUnlessResuming() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("{\"step\":1}\n{\"st", to: "events.jsonl")
    try EventWriter(path: path, resuming: true).write(["step": 2])
    #expect(try text(folder, "events.jsonl") == "{\"step\":1}\n{\"step\":2}\n")
    try EventWriter(path: path, resuming: true).write(["step": 3])
    #expect(try text(folder, "events.jsonl").hasSuffix("{\"step\":2}\n{\"step\":3}\n"))
    // Steps that will be taken again go, and what came after them.
    try EventWriter(path: path, resuming: true, keeping: { $0["step"]?.int ?? 0 < 2 })
      .write(["step": 2])
    #expect(try text(folder, "events.jsonl") == "{\"step\":1}\n{\"step\":2}\n")
    try EventWriter(path: path).write(["step": 4])
    #expect(try text(folder, "events.jsonl") == "{\"step\":4}\n")
  }

  @Test func mirrorGetsTheSameLines() throws {
    let folder = try TemporaryFolder()
    let mirror = open(folder["mirror"], O_WRONLY | O_CREAT, 0o600)
    defer { close(mirror) }
    let writer = try EventWriter(path: folder["events.jsonl"], mirror: mirror)
    try writer.write(["step": 1])
    try EventWriter(path: nil, mirror: mirror).write(["step": 2])
    #expect(try text(folder, "events.jsonl") == "{\"step\":1}\n")
    #expect(try text(folder, "mirror") == "{\"step\":1}\n{\"step\":2}\n")
  }

  @Test func folderThatIsMissing() throws {
    let folder = try TemporaryFolder()
    let path = folder["none/events.jsonl"]
    let error = #expect(throws: ReportError.self) { try EventWriter(path: path) }
    #expect(error?.category == .cannotCreate)
    #expect(
      error?.description
        == "creating event file '\(path)': No such file or directory; "
        + "create its folder first, or choose another one")
  }

  @Test func fullDisk() throws {
    let writer = try EventWriter(path: "/dev/full")
    let error = #expect(throws: ReportError.self) { try writer.write(["step": 1]) }
    #expect(error?.category == .inputOutput)
    #expect(
      error?.description
        == "writing events to '/dev/full': No space left on device; "
        + "free some space and try again, then continue with --resume")
  }
}
