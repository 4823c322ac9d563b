#if canImport(Glibc)
  import Glibc
#endif

/// What standard error (or another descriptor) is connected to, and what it can show.
public struct Terminal: Sendable {
  /// The descriptor that text is written to: 1 standard output, 2 standard error.
  public let fileDescriptor: Int32
  /// True for a terminal that can repaint a line; false for files, pipes and `TERM=dumb`.
  public let isTTY: Bool
  /// Whether colour is used: on a terminal, if `NO_COLOR` is unset or empty (no-color.org).
  public let usesColor: Bool
  private let fixedWidth: Int?

  /// Queries the system about `fileDescriptor`.
  /// - Parameter variable: looks up an environment variable; tests pass their own.
  public init(
    fileDescriptor: Int32, variable: (String) -> String? = { Terminal.environment($0) }
  ) {
    let isTTY = isatty(fileDescriptor) == 1 && variable("TERM") != "dumb"
    self.init(
      fileDescriptor: fileDescriptor, isTTY: isTTY,
      usesColor: Terminal.usesColor(isTTY: isTTY, noColor: variable("NO_COLOR")))
  }

  /// A terminal with known properties, for tests and for forced modes.
  /// - Parameter width: columns; nil queries the system at each use, to follow resizing.
  public init(fileDescriptor: Int32, isTTY: Bool, usesColor: Bool, width: Int? = nil) {
    self.fileDescriptor = fileDescriptor
    self.isTTY = isTTY
    self.usesColor = usesColor
    self.fixedWidth = width
  }

  /// Standard error, where progress goes.
  public static var standardError: Terminal { Terminal(fileDescriptor: 2) }
  /// Standard output, where results go.
  public static var standardOutput: Terminal { Terminal(fileDescriptor: 1) }

  /// Width in columns: the window's, else `COLUMNS`, else 80.
  public var width: Int {
    if let fixedWidth { return fixedWidth }
    var size = winsize()
    if ioctl(fileDescriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 {
      return Int(size.ws_col)
    }
    if let columns = Terminal.environment("COLUMNS").flatMap({ Int($0) }), columns > 0 {
      return columns
    }
    return 80
  }

  /// Height in lines: the window's, else `LINES`, else 24.
  public var height: Int {
    var size = winsize()
    if ioctl(fileDescriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 {
      return Int(size.ws_row)
    }
    let lines = Terminal.environment("LINES").flatMap { Int($0) } ?? 0
    return lines > 0 ? lines : 24
  }

  /// The rule of no-color.org: set and not empty means no colour.
  public static func usesColor(isTTY: Bool, noColor: String?) -> Bool {
    isTTY && (noColor ?? "").isEmpty
  }

  /// An environment variable's value, nil when unset.
  public static func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }

  /// Writes all of `text`. Callers may ignore a closed or full descriptor: losing a message must
  /// not stop a training run.
  /// - Returns: the system's error number, or nil.
  @discardableResult
  public func write(_ text: String) -> Int32? { writeAll(Array(text.utf8), to: fileDescriptor) }

  /// Text styles used by reports.
  public enum Style: Int, Sendable {
    case bold = 1
    case dim = 2
    case red = 31
    case green = 32
    case blue = 34
  }

  /// `text` in a style, or unchanged without colour.
  public func styled(_ text: String, _ style: Style) -> String {
    usesColor ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
  }
}

/// Writes every byte, retrying after signals and short writes; returns the error number on failure.
func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
  bytes.withUnsafeBytes { buffer in
    var rest = buffer[...]
    while !rest.isEmpty {
      let written = Glibc.write(
        descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if written < 0 {
        if errno == EINTR { continue }
        return errno
      }
      rest = rest.dropFirst(written)
    }
    return nil
  }
}
