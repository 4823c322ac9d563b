#if canImport(Glibc)
  import Glibc
#endif

/// The lines that arrive on a file descriptor.
struct LineStream {
  private let descriptor: Int32
  private var pending: [UInt8] = []
  private var isAtEnd = false

  /// - Parameter descriptor: open for reading; whoever opened it closes it.
  init(_ descriptor: Int32) { self.descriptor = descriptor }

  /// Waits until one of several streams has bytes or ends, so that no writer is stopped by a full
  /// pipe, and returns its index with the lines that are complete now; nil once all have ended.
  static func next(of streams: inout [LineStream]) -> (stream: Int, lines: [String])? {
    let open = streams.indices.filter { !streams[$0].isAtEnd }
    guard !open.isEmpty else { return nil }
    var waits = open.map { pollfd(fd: streams[$0].descriptor, events: Int16(POLLIN), revents: 0) }
    while poll(&waits, nfds_t(waits.count), -1) < 0 {
      guard errno == EINTR else { return nil }
    }
    guard let ready = waits.firstIndex(where: { $0.revents != 0 }) else { return (open[0], []) }
    return (open[ready], streams[open[ready]].read())
  }

  /// Reads what is there, and returns complete lines; at the end also the last, unfinished one.
  private mutating func read() -> [String] {
    var block = [UInt8](repeating: 0, count: 1 << 16)
    let count = Glibc.read(descriptor, &block, block.count)
    if count < 0, errno == EINTR || errno == EAGAIN { return [] }
    isAtEnd = count <= 0
    if count > 0 { pending += block[..<count] }
    var lines: [String] = []
    var start = 0
    while let end = pending[start...].firstIndex(of: UInt8(ascii: "\n")) {
      lines.append(String(decoding: pending[start..<end], as: UTF8.self))
      start = end + 1
    }
    pending.removeSubrange(..<start)
    guard isAtEnd, !pending.isEmpty else { return lines }
    defer { pending = [] }
    return lines + [String(decoding: pending, as: UTF8.self)]
  }
}
