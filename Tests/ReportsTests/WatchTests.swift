import Records
import Storage
import TestSupport
import Testing

@testable import Reports

@Suite struct WatchTests {
  private static func run(steps: Int) -> RunHistory {
    var run = RunHistory()
    run.add(
      .start(
        RunDescription(
          model: "/models/base.sfckpt", method: "full", label: "full", choice: nil,
          trainableParameters: 1, totalParameters: 2, steps: 8, threads: 2, instructionSet: "avx2",
          precision: "f32", version: "1", learningRate: 0.01)))
    run.add(.validation(step: 0, loss: 8, best: true))
    for number in stride(from: 1, through: steps, by: 1) {
      var step = StepReport(step: number)
      (step.loss, step.tokens, step.seconds) = (8 - Double(number) / 2, 1000, 0.5)
      step.phases = PhaseSeconds(data: 0, forward: 0.25, backward: 0.2, update: 0.05)
      (step.residentBytes, step.peakResidentBytes, step.plannedBytes) = (
        50 << 20, 75 << 20, 100 << 20
      )
      step.etaSeconds = 2
      run.add(.step(step))
    }
    run.add(.validation(step: steps, loss: 5, best: true))
    return run
  }

  @Test func showsARun() {
    let screen = WatchScreen(Self.run(steps: 4), isAlive: true, width: 60, height: 16)
    #expect(
      screen.lines == [
        "full · base.sfckpt · 2 threads, avx2 · learning rate 0.0100",
        "[▇▇▇▇▇▇▇▇▇▇▇···········] 4/8  50.0 %  2.0 k tok/s  ETA 2.0 s",
        "",
        "8.0000 ┤●     ⢀⣀⣀⡀",
        "       │         ⠉⠉⠓⠒⠦⠤⣄⣀",
        "       │                ⠈⠉⠓⠲⠤⠤⣄⣀⡀",
        "       │                        ⠉⠉⠃",
        "5.0000 ┤                          ●",
        "        0                                             step 8",
        "",
        "memory now  ▇▇▇▇▇▇▇▇▇·········  50.0 MiB of 100 MiB (50.0 %)",
        "its peak    ▇▇▇▇▇▇▇▇▇▇▇▇▇▇····  75.0 MiB of 100 MiB (75.0 %)",
        "a step      data 0.0 %  forward 50.0 %  backward 40.0 %  up…",
        "held-out    8.0000 → 5.0000 at step 4",
        "q quits   ⣀⠤ training loss   ● held-out loss",
      ])
  }

  @Test func saysWhatBecameOfARun() {
    var run = Self.run(steps: 4)
    #expect(
      WatchScreen(run, isAlive: false, width: 99, height: 9).lines[1]
        .hasSuffix("stopped: no process works on it"))
    var summary = RunSummary()
    (summary.steps, summary.seconds, summary.reason) = (4, 2, .earlyStopping)
    run.add(.done(summary))
    #expect(
      WatchScreen(run, isAlive: false, width: 99, height: 9).lines[1]
        .hasSuffix("early stopping after 2.0 s"))
    #expect(
      WatchScreen(RunHistory(), isAlive: true, width: 40, height: 9).lines[0]
        == "no run has started yet")
  }

  /// The lowest and the highest value of a column are both drawn.
  @Test func curvesKeepExtremes() {
    var curve = BrailleCurve(width: 2, height: 2)
    curve.draw([(0, 0), (0, 1), (1, 0)].map { (x: $0.0, y: $0.1) })
    #expect(curve.rows[0][0] != " " && curve.rows[1][0] != " ")
    var gap = BrailleCurve(width: 3, height: 1)
    gap.draw([(0, 0), (0.5, .nan), (1, 0)].map { (x: $0.0, y: $0.1) })
    #expect(gap.rows == [["⡀", " ", "⢀"]])
  }

  /// Lines are read once, the last one only when it is whole; another file is read from its start.
  @Test func followsAFileThatGrows() throws {
    let folder = try TemporaryFolder()
    var follower = RunFollower(folder.path)
    #expect(try follower.read() == [] && !follower.hasRun)
    let first = RunEvent.warning("one").json.encoded() + "\n"
    let second = RunEvent.warning("two").json.encoded() + "\n"
    try folder.write(Array((first + second.prefix(9)).utf8), to: "events.jsonl")
    #expect(try follower.read() == [.warning("one")])
    #expect(try follower.read() == [])
    try folder.write(Array((first + second).utf8), to: "events.jsonl")
    #expect(try follower.read() == [.warning("two")])
    #expect(follower.history.warnings == ["one", "two"] && !follower.isAlive)
    try folder.write(Array(first.utf8), to: "events.jsonl")
    #expect(try follower.read() == [.warning("one")])
    #expect(follower.history.warnings == ["one"])
  }

  @Test func locksTellWhoIsAtWork() throws {
    let folder = try TemporaryFolder()
    #expect(!FolderLock.isHeld(folder.path))
    do {
      let lock = try FolderLock(folder.path)
      #expect(FolderLock.isHeld(folder.path))
      withExtendedLifetime(lock) {}
    }
    #expect(!FolderLock.isHeld(folder.path))
    try folder.write(Array("999999999\n".utf8), to: FolderLock.fileName)
    #expect(!FolderLock.isHeld(folder.path))
  }
}
