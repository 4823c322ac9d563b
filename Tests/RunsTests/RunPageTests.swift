import Pages
import Programs
import Records
import Reports
import Storage
import TestSupport
import Testing

@testable import Runs

@Suite struct RunPageTests {
  private static func page(_ path: String) throws -> String {
    String(decoding: try TemporaryFolder.read(path), as: UTF8.self)
  }

  @Test func runsWriteTheirPage() throws {
    let fixture = try RunsFixture()
    _ = try fixture.train(
      "run.tensorboard=true", #"run.sample={"prompt": "the cat", "max_tokens": 3}"#)
    let html = try Self.page(fixture.folder["run/report.html"])
    for id in ["loss", "resources", "plan", "time", "samples", "recipe", "machine"] {
      #expect(html.contains("<section id=\"\(id)\""), "\(id)")
    }
    let names = try Folder.names(fixture.folder["run/tensorboard"])
    #expect(names.count == 1 && names[0].hasPrefix(TensorBoardWriter.filePrefix))
    // The next run sets all of it aside.
    _ = try fixture.train("run.steps=2")
    #expect(try Folder.names(fixture.folder["run-1/tensorboard"]) == names)
    #expect(try Self.page(fixture.folder["run-1/report.html"]) == html)
    #expect(!Folder.exists(fixture.folder["run/tensorboard"]))
  }

  @Test func resumedRunsGoOnInANewEventFile() throws {
    let fixture = try RunsFixture()
    _ = try fixture.train("run.tensorboard=true", stopAfter: 3)
    _ = try fixture.train("run.tensorboard=true", resuming: true)
    #expect(try Folder.names(fixture.folder["run/tensorboard"]).count == 2)
  }

  /// Somebody else's files of these names are no run's.
  @Test func othersFilesStay() throws {
    for name in ["report.html", "tensorboard/notes.txt"] {
      let folder = try TemporaryFolder()
      try folder.write(Array("mine".utf8), to: name)
      #expect(throws: StorageError.self) { try RunFolder(folder.path) }
      #expect(try folder.read(name) == Array("mine".utf8))
    }
  }

  /// Of a real step no two buffers that are needed at one time share a byte, and the peak is what the
  /// buffers at that position add up to.
  @Test func schedulesHoldTheStep() throws {
    let fixture = try RunsFixture()
    let (_, events) = try fixture.train()
    let schedules = events.compactMap {
      if case .memory(let schedule) = $0 { schedule } else { nil }
    }
    let schedule = try #require(schedules.first)
    #expect(schedules.count == 1 && schedule.leftOut == 0)
    for (index, block) in schedule.buffers.enumerated() {
      for other in schedule.buffers[..<index]
      where block.first <= other.last && other.first <= block.last {
        #expect(
          block.offset >= other.offset + other.byteCount
            || other.offset >= block.offset + block.byteCount, "\(block) \(other)")
      }
      #expect(block.offset + block.byteCount <= schedule.arenaBytes)
    }
    let live = (0..<schedule.positions).map { position in
      schedule.buffers.reduce(0) {
        $0 + (($1.first...$1.last).contains(position) ? $1.byteCount : 0)
      }
    }
    #expect(
      live.max() == schedule.peak.bytes && live[schedule.peak.position] == schedule.peak.bytes)
    #expect(schedule.live.max() == schedule.peak.bytes)
    #expect(schedule.phases.map(\.name) == ["forward", "backward", "update"])
    let times = events.compactMap {
      if case .profile(let times) = $0 { times.kernels } else { nil }
    }
    #expect(try #require(times.first).contains { $0.phase == "update" && $0.seconds > 0 })
  }

  /// Smaller buffers are left out, the fullest moments are kept.
  @Test func longProgramsAreThinned() {
    let count = 5000
    let buffers = (0..<count).map { index in
      Buffer(
        name: "b\(index)", kind: .activation, byteCount: 64 + index % 7 * 64,
        location: .arena(offset: index * 512))
    }
    let calls = (0..<count).map { index in
      KernelCall(
        kernel: "copy",
        buffers: [BufferView(buffer: index), BufferView(buffer: (index + 9) % count)],
        items: 1, phase: index < 3000 ? .forward : index % 100 == 0 ? .update : .backward)
    }
    let program = Program(
      buffers: buffers, calls: calls, arenaBytes: count * 512, persistentBytes: 0)
    let schedule = MemorySchedule(program)
    #expect(schedule.buffers.count == 400 && schedule.leftOut == count - 400)
    #expect(schedule.live.count == 240 && schedule.live.max() == schedule.peak.bytes)
    #expect(schedule.phases.map(\.name) == ["forward", "backward"])
    #expect(schedule.json.encoded().utf8.count < 40_000)
    #expect(
      MemorySchedule(Program(buffers: [], calls: [], arenaBytes: 0, persistentBytes: 0)).live == [])
  }
}
