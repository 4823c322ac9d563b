import ArgumentParser
import Records
import Reports

#if canImport(Glibc)
  import Glibc
#endif

struct WatchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch", abstract: "Shows a run in the terminal, and follows it while it goes on.",
    discussion: """
      Reads what the run writes to its folder, and changes nothing there. q or Ctrl-C ends it, not \
      the run. Where standard output is no terminal, it prints plain lines until the run ends.
      """)

  @Argument(
    help: ArgumentHelp("The run's folder: 'output' of its recipe.", valueName: "run"),
    completion: .directory)
  var folder: String

  /// How often the files are looked at, in milliseconds.
  private static let interval: Int32 = 250

  func run() throws {
    Interruption.listen()
    Interruption.measure()
    var follower = RunFollower(folder)
    let events = try follower.read()
    guard follower.hasRun || follower.isAlive else {
      throw CommandError.nothingToWatch(path: folder)
    }
    let terminal = Terminal.standardOutput
    if terminal.isTTY, let keys = KeyReader() {
      try show(&follower, on: terminal, keys)
    } else {
      try print(events, &follower)
    }
    try Interruption.check()
  }

  private func show(
    _ follower: inout RunFollower, on terminal: Terminal, _ keys: KeyReader
  ) throws {
    // The screen that was there comes back, with its cursor.
    terminal.write("\u{1B}[?1049h\u{1B}[?25l")
    defer { terminal.write("\u{1B}[?25h\u{1B}[?1049l") }
    while !Interruption.isRequested {
      let screen = WatchScreen(
        follower.history, isAlive: follower.isAlive, width: terminal.width - 1,
        height: terminal.height, styled: terminal.styled)
      let text = screen.lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n")
      guard terminal.write("\u{1B}[H" + text + "\u{1B}[J") == nil else { return }
      guard let key = keys.key(within: Self.interval) else { return }
      if key.first == UInt8(ascii: "q") || key.first == UInt8(ascii: "Q") { return }
      // Ctrl-C and Ctrl-D come as keys.
      if key.first == 3 || key.first == 4 { return }
      _ = try follower.read()
    }
  }

  /// Prints what `finetune` would, as it comes.
  private func print(_ events: [RunEvent], _ follower: inout RunFollower) throws {
    let reporter = try RunReporter(
      json: false, line: ProgressLine(terminal: .standardOutput))
    var (events, silent) = (events, 0)
    while !Interruption.isRequested {
      for event in events { try reporter.handle(event) }
      if follower.history.summary != nil, !follower.isAlive { return }
      // Two looks, so that what a process wrote last is not missed.
      silent = follower.isAlive ? 0 : silent + 1
      if silent > 2 {
        reporter.finish()
        return
      }
      usleep(UInt32(Self.interval) * 1000)
      events = try follower.read()
    }
  }
}
