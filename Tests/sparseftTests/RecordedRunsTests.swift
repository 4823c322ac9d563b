import Storage
import TestSupport
import Testing

/// What the compiler makes of fourteen recipes, and what comes out, is what it was when
/// `Tests/Recorded/expected.txt` was made: the printed programs, twenty losses each to the last
/// digit, and the deltas' tensors.
@Suite struct RecordedRunsTests {
  @Test func programsLossesAndDeltasAreThoseRecorded() throws {
    let scripts = SharedData.packageRoot + "/Tests/Recorded"
    let folder = try TemporaryFolder()
    // Plain vector code and tiles: no CPU's own instructions, no library's products.
    let runner = ProgramRunner(
      environment: ["SPARSEFT_ISA": "portable", "PRODUCTS": "tiles"],
      executable: scripts + "/record")
    let outcome = try runner(ProgramRunner.path, folder.path)
    #expect(outcome.exitCode == 0, "\(outcome.error)")
    let file = try MappedFile(path: scripts + "/expected.txt")
    let expected = String(decoding: file.bytes, as: UTF8.self).split(separator: "\n")
    #expect(outcome.lines.count == expected.count)
    for (found, expected) in zip(outcome.lines, expected) { #expect(found == expected) }
  }
}
