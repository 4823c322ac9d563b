import Records
import Storage

/// Reads the events that a file of them has got since the last call.
public struct EventReader {
  public let path: String
  /// Bytes of the lines that were read.
  private var position = 0

  public init(_ path: String) { self.path = path }

  /// The whole lines that are new. Lines that are no events are passed over; the last one, while it is
  /// being written, is left for the next call. A file that has become shorter is read from its start.
  ///
  /// - Returns: the events, and whether what was read before is no longer in the file.
  /// - Throws: `StorageError` if the file can't be read.
  public mutating func read() throws(StorageError) -> (events: [RunEvent], startsAnew: Bool) {
    let file = try MappedFile(path: path)
    defer { withExtendedLifetime(file) {} }
    let startsAnew = file.bytes.count < position
    if startsAnew { position = 0 }
    var events: [RunEvent] = []
    while let end = file.bytes[position...].firstIndex(of: 0x0A) {
      let line = UnsafeRawBufferPointer(rebasing: file.bytes[position..<end])
      if let json = try? JSONValue.decode(line, source: path), let event = RunEvent(json) {
        events.append(event)
      }
      position = end + 1
    }
    return (events, startsAnew)
  }
}
