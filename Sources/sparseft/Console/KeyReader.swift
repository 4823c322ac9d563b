#if canImport(Glibc)
  import Glibc
#endif

/// Single keys of a terminal, read without waiting for Enter; the terminal is as it was before once
/// this is gone.
final class KeyReader {
  private let descriptor: Int32
  private var earlier = termios()

  /// Nil where the descriptor is no terminal.
  init?(_ descriptor: Int32 = 0) {
    self.descriptor = descriptor
    guard isatty(descriptor) == 1, tcgetattr(descriptor, &earlier) == 0 else { return nil }
    var settings = earlier
    settings.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
    guard tcsetattr(descriptor, TCSANOW, &settings) == 0 else { return nil }
    // A handler that does nothing makes a wait end when the window's size has changed.
    signal(SIGWINCH) { _ in }
  }

  deinit {
    tcsetattr(descriptor, TCSANOW, &earlier)
    signal(SIGWINCH, SIG_DFL)
  }

  /// Waits for a key, for so long or until a signal comes.
  ///
  /// - Returns: the key's bytes; empty if there was none; nil if the terminal is gone.
  func key(within milliseconds: Int32) -> [UInt8]? {
    var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&wait, 1, milliseconds) > 0 else { return [] }
    var bytes = [UInt8](repeating: 0, count: 16)
    let count = read(descriptor, &bytes, bytes.count)
    if count < 0, errno == EINTR || errno == EAGAIN { return [] }
    return count > 0 ? Array(bytes[..<count]) : nil
  }
}
