import Reports
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Collects what a progress line writes.
private final class Screen {
  var text = ""
}

private let state = ProgressState(
  step: 120, totalSteps: 400, loss: 2.34567, validationLoss: 2.5, tokensPerSecond: 5312,
  residentBytes: 222_298_112, plannedBytes: 251_658_240, etaSeconds: 83)

@Suite struct ProgressStateTests {
  @Test func wideLineHoldsEverything() {
    #expect(
      state.line(width: 130)
        == "[▇▇▇▇▇▇▇·················] 120/400  loss 2.3457  val 2.5000  5.3 k tok/s  "
        + "RSS 212 MiB of 240 MiB  ETA 1 min 23 s")
  }

  @Test func narrowLinesDropTheLessImportant() {
    let lines = [90, 78, 60, 50, 36, 24, 10, 4, 0].map { state.line(width: $0) }
    #expect(
      lines == [
        "120/400  loss 2.3457  val 2.5000  5.3 k tok/s  RSS 212 MiB of 240 MiB  ETA 1 min 23 s",
        "[▇▇▇▇··········] 120/400  loss 2.3457  val 2.5000  5.3 k tok/s  ETA 1 min 23 s",
        "[▇▇······] 120/400  loss 2.3457  5.3 k tok/s  ETA 1 min 23 s",
        "120/400  loss 2.3457  5.3 k tok/s  ETA 1 min 23 s",
        "120/400  loss 2.3457  ETA 1 min 23 s",
        "120/400  loss 2.3457",
        "120/400",
        "120…",
        "",
      ])
  }

  @Test func noLineIsWiderThanTheTerminal() {
    for width in 0...140 { #expect(displayWidth(state.line(width: width)) <= width) }
  }

  @Test func colourDoesNotCountAsWidth() {
    let terminal = Terminal(fileDescriptor: 2, isTTY: true, usesColor: true, width: 30)
    let line = ProgressState(step: 1, totalSteps: 2).line(width: 30, styled: terminal.styled)
    #expect(
      line == "[\u{1B}[32m▇▇▇▇▇▇▇▇▇▇▇▇\u{1B}[0m\u{1B}[2m············\u{1B}[0m] 1/2")
  }

  @Test func unknownTotals() {
    #expect(ProgressState(step: 5, totalSteps: 0).share == 0)
    #expect(ProgressState(step: 5, totalSteps: 4).share == 1)
    let unknown = ProgressState(activity: "analysis, gradients", step: 0, totalSteps: 0)
    #expect(unknown.line(width: 40) == "analysis, gradients")
    #expect(unknown.plainLine == "analysis, gradients")
  }

  @Test func plainLine() {
    #expect(
      state.plainLine
        == "training 120/400 (30 %)  loss 2.3457  val 2.5000  5.3 k tok/s  "
        + "RSS 212 MiB of 240 MiB  ETA 1 min 23 s")
    #expect(
      ProgressState(activity: "analysis", step: 1, totalSteps: 3).plainLine == "analysis 1/3 (33 %)"
    )
  }
}

@Suite struct ProgressLineTests {
  /// A progress line, fed one state per (step, seconds), and what it wrote.
  private func written(
    isTTY: Bool, stepInterval: Int? = nil, steps: [(Int, Double)], message: String? = nil
  ) -> String {
    let screen = Screen()
    let terminal = Terminal(fileDescriptor: 2, isTTY: isTTY, usesColor: false, width: 16)
    var line = ProgressLine(
      terminal: terminal, stepInterval: stepInterval, write: { screen.text += $0 })
    for (step, now) in steps {
      line.update(ProgressState(step: step, totalSteps: 100), now: now)
    }
    if let message { line.message(message) }
    line.finish()
    line.finish()
    return screen.text
  }

  @Test func terminalIsRepaintedTenTimesASecond() {
    let text = written(isTTY: true, steps: [(1, 0), (2, 0.05), (3, 0.125), (4, 0.2), (100, 0.21)])
    let lines = ["[·······] 1/100", "[·······] 3/100", "100/100", "100/100"]
    #expect(text == lines.map { "\r\($0)\u{1B}[K" }.joined() + "\n")
  }

  @Test func messageStandsAboveTheLine() {
    let text = written(isTTY: true, steps: [(1, 0)], message: "warning: hot")
    let line = "\r[·······] 1/100\u{1B}[K"
    #expect(text == line + "\r\u{1B}[Kwarning: hot\n" + line + line + "\n")
  }

  @Test func plainLinesEveryThirtySeconds() {
    let text = written(
      isTTY: false, steps: [(1, 0), (2, 15), (3, 29.9), (4, 30), (5, 57), (6, 58.5)], message: "hm")
    #expect(
      text == """
        training 1/100 (1 %)
        training 4/100 (4 %)
        hm
        training 6/100 (6 %)

        """)
  }

  @Test func plainLinesEverySoManySteps() {
    let text = written(
      isTTY: false, stepInterval: 2, steps: (1...5).map { ($0, Double($0) * 100) })
    #expect(
      text == "training 1/100 (1 %)\ntraining 3/100 (3 %)\ntraining 5/100 (5 %)\n")
  }

  @Test func lastStepIsAlwaysShownOnce() {
    let text = written(isTTY: false, steps: [(99, 0), (100, 0.1)])
    #expect(text == "training 99/100 (99 %)\ntraining 100/100 (100 %)\n")
  }

  @Test func nothingShownNothingWritten() {
    #expect(written(isTTY: true, steps: []) == "")
    #expect(written(isTTY: false, steps: []) == "")
  }
}

@Suite struct TerminalTests {
  @Test func colourFollowsNoColor() {
    func style(_ usesColor: Bool) -> String {
      Terminal(fileDescriptor: 2, isTTY: true, usesColor: usesColor).styled("x", .green)
    }
    #expect(style(true) == "\u{1B}[32mx\u{1B}[0m")
    #expect(style(false) == "x")
    #expect(Terminal.usesColor(isTTY: true, noColor: nil))
    #expect(Terminal.usesColor(isTTY: true, noColor: ""))
    #expect(!Terminal.usesColor(isTTY: true, noColor: "1"))
    #expect(!Terminal.usesColor(isTTY: false, noColor: nil))
  }

  /// A pseudo-terminal can repaint a line and show colour; not where it is called dumb.
  @Test func dumbTerminals() throws {
    let descriptor = open("/dev/ptmx", O_RDWR | O_NOCTTY)
    try #require(descriptor >= 0 && isatty(descriptor) == 1)
    defer { close(descriptor) }
    func terminal(_ environment: [String: String]) -> Terminal {
      Terminal(fileDescriptor: descriptor) { environment[$0] }
    }
    #expect(terminal(["TERM": "xterm"]).isTTY && terminal(["TERM": "xterm"]).usesColor)
    #expect(!terminal(["TERM": "dumb"]).isTTY && !terminal(["TERM": "dumb"]).usesColor)
    let plain = terminal(["TERM": "xterm", "NO_COLOR": "1"])
    #expect(plain.isTTY && !plain.usesColor)
  }

  @Test func closedDescriptorIsNoTerminal() {
    let terminal = Terminal(fileDescriptor: -1)
    #expect(!terminal.isTTY)
    #expect(!terminal.usesColor)
    #expect(terminal.width > 0)
    terminal.write("dropped")
  }
}
