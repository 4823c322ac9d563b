import Execution
import TestSupport
import Testing

/// What is left to a process in a container, from files as the kernel writes them.
@Suite struct SystemMemoryTests {
  private func available(_ files: [String: String]) throws -> Int? {
    let folder = try TemporaryFolder()
    for (name, text) in files { try folder.write(text, to: name) }
    return ControlGroup.availableBytes(membership: folder["cgroup"], root: folder["root"])
  }

  @Test func theTightestGroupCounts() throws {
    let files = [
      "cgroup": "0::/box/inner\n", "root/box/inner/memory.max": "max\n",
      "root/box/inner/memory.current": "1000\n", "root/box/memory.max": "100000\n",
      "root/box/memory.current": "70000\n",
      "root/box/memory.stat": "anon 40000\ninactive_file 20000\n",
    ]
    #expect(try available(files) == 50_000)
    #expect(try available(files.filter { !$0.key.hasPrefix("root/box/memory") }) == nil)
  }

  /// In a container the group is the root.
  @Test func containers() throws {
    #expect(
      try available([
        "cgroup": "0::/\n", "root/memory.max": "4096\n", "root/memory.current": "8192\n",
      ]) == 0)
  }

  @Test func versionOne() throws {
    #expect(
      try available([
        "cgroup": "5:cpu,cpuacct:/a\n4:memory:/a\n",
        "root/memory/a/memory.limit_in_bytes": "5000\n",
        "root/memory/a/memory.usage_in_bytes": "3000\n",
        "root/memory/a/memory.stat": "inactive_file 7\ntotal_inactive_file 500\n",
      ]) == 2500)
  }

  @Test func thisMachine() throws {
    #expect(try #require(SystemMemory.availableBytes) > 1 << 20)
    #expect(try available([:]) == nil)
    #expect(WorkerPool.cores >= 1)
  }

  /// More than anybody has is refused before it is taken.
  @Test func whatIsNotThereIsRefused() {
    let error = #expect(throws: ExecutionError.self) { try Arena(byteCount: 1 << 46) }
    #expect(error?.category == .inputOutput)
    #expect(error?.description.contains("are free") == true)
    let cores = WorkerPool.cores
    let most = WorkerPool.mostThreads(cores: cores)
    #expect(throws: ExecutionError.threads(most + 1, cores: cores)) {
      try WorkerPool(threads: most + 1)
    }
  }
}
