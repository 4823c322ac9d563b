#if canImport(Glibc)
  import Glibc
#endif

/// One live line of progress. On a terminal it is repainted in place, at most ten times a second;
/// elsewhere a plain line is printed every thirty seconds, or every `stepInterval` steps.
///
/// Time comes in with each call, so that tests need no clock.
public struct ProgressLine {
  /// Minimum seconds between two repaints on a terminal, and between two plain lines.
  public static let repaintSeconds = 0.1
  public static let plainSeconds = 30.0

  private let terminal: Terminal
  private let stepInterval: Int?
  private let write: (String) -> Void
  private var lastPainted: Double?
  private var lastState: ProgressState?
  private var shown: ProgressState?
  private var lineIsOpen = false

  /// - Parameters:
  ///   - stepInterval: print plain lines every so many steps instead of every thirty seconds.
  ///   - write: receives the text; by default writes it to the terminal's descriptor.
  public init(
    terminal: Terminal = .standardError, stepInterval: Int? = nil, write: ((String) -> Void)? = nil
  ) {
    self.terminal = terminal
    self.stepInterval = stepInterval
    self.write = write ?? { terminal.write($0) }
  }

  /// Shows `state` if enough time (or steps) passed since the last line; the first and the last
  /// step are always shown.
  /// - Parameter now: monotonic seconds.
  public mutating func update(_ state: ProgressState, now: Double = ProgressLine.now()) {
    lastState = state
    guard isDue(state, now: now) else { return }
    paint(state)
    lastPainted = now
  }

  /// Prints a separate line above the live line, for warnings and validation results.
  public mutating func message(_ text: String) {
    let text = text.printableText()
    guard terminal.isTTY, lineIsOpen else { return write(text + "\n") }
    write("\r\u{1B}[K" + text + "\n")
    lineIsOpen = false
    if let lastState { paint(lastState) }
  }

  /// Shows the last state once more if it was skipped, and ends the live line.
  public mutating func finish() {
    if let lastState, shown?.step != lastState.step || terminal.isTTY { paint(lastState) }
    if lineIsOpen { write("\n") }
    lineIsOpen = false
    lastState = nil
    lastPainted = nil
    shown = nil
  }

  /// Monotonic seconds since an arbitrary start.
  public static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  private func isDue(_ state: ProgressState, now: Double) -> Bool {
    guard let lastPainted, let shown else { return true }
    if state.step >= state.totalSteps, shown.step != state.step { return true }
    if terminal.isTTY { return now - lastPainted >= Self.repaintSeconds }
    if let stepInterval { return state.step - shown.step >= max(1, stepInterval) }
    return now - lastPainted >= Self.plainSeconds
  }

  private mutating func paint(_ state: ProgressState) {
    shown = state
    guard terminal.isTTY else { return write(state.plainLine + "\n") }
    // The last column stays free: some terminals wrap as soon as it is written.
    let line = state.line(width: max(1, terminal.width - 1), styled: terminal.styled)
    write("\r" + line + "\u{1B}[K")
    lineIsOpen = true
  }
}
