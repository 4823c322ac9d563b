import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// Appends JSON objects to a file, one per line. Each line is written at once, so that a reader, or
/// anyone after a crash, sees whole lines. A mirror descriptor gets the same lines.
public final class EventWriter {
  private let path: String?
  private let file: Int32?
  /// Bytes of the file that are complete lines.
  private var length: off_t = 0
  private let mirror: Int32?

  /// - Parameters:
  ///   - path: the event file; nil writes to the mirror only.
  ///   - resuming: appends to the existing lines instead of starting a new file. A last line cut
  ///     off by a crash is removed.
  ///   - keeping: while resuming, whether an existing line stays; the first one that does not is
  ///     removed, and all after it.
  ///   - mirror: a descriptor that also gets every line; 1 is standard output.
  /// - Throws: `ReportError.cannotCreate`, or `.unreadable` and `.writeFailed` while resuming.
  public init(
    path: String?, resuming: Bool = false, keeping: (JSONValue) -> Bool = { _ in true },
    mirror: Int32? = nil
  ) throws(ReportError) {
    self.path = path
    self.mirror = mirror
    guard let path else {
      file = nil
      return
    }
    let flags = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | (resuming ? 0 : O_TRUNC)
    let descriptor = open(path, flags, 0o666)
    guard descriptor >= 0 else {
      throw .cannotCreate(path: path, reason: systemMessage(errno))
    }
    file = descriptor
    do throws(ReportError) {
      if resuming { try Self.cut(descriptor, path, keeping) }
    } catch {
      close(descriptor)
      throw error
    }
    length = lseek(descriptor, 0, SEEK_END)
  }

  deinit { if let file { close(file) } }

  /// Writes one event as one line.
  /// - Throws: `ReportError.writeFailed`.
  public func write(_ event: JSONValue) throws(ReportError) {
    let line = Array((event.encoded() + "\n").utf8)
    if let file { try append(line, file) }
    if let mirror { try put(line, mirror, nil) }
  }

  /// Appends to the file; removes a line that a full disk cut off, so that all lines stay complete.
  private func append(_ bytes: [UInt8], _ file: Int32) throws(ReportError) {
    do throws(ReportError) {
      try put(bytes, file, path ?? "")
    } catch {
      if length >= 0 { _ = ftruncate(file, length) }
      throw error
    }
    if length >= 0 { length += off_t(bytes.count) }
  }

  private func put(_ bytes: [UInt8], _ descriptor: Int32, _ path: String?) throws(ReportError) {
    guard let error = writeAll(bytes, to: descriptor) else { return }
    let place = path.map { "'\($0)'" } ?? (descriptor == 1 ? "standard output" : "the mirror")
    throw .writeFailed(path: place, reason: systemMessage(error))
  }

  /// Removes the lines from the first one on that is not to be kept. Left there, they would stand
  /// twice.
  private static func cut(
    _ descriptor: Int32, _ path: String, _ keeping: (JSONValue) -> Bool
  ) throws(ReportError) {
    let file: MappedFile
    do throws(StorageError) { file = try MappedFile(path: path) } catch {
      throw .unreadable(error)
    }
    guard ftruncate(descriptor, keptLength(file, keeping)) == 0 else {
      throw .writeFailed(path: "'\(path)'", reason: systemMessage(errno))
    }
  }

  /// Bytes of the lines before the first one that is not whole, or not to be kept.
  private static func keptLength(_ file: MappedFile, _ keeping: (JSONValue) -> Bool) -> off_t {
    var kept = 0
    while let end = file.bytes[kept...].firstIndex(of: 0x0A) {
      let line = UnsafeRawBufferPointer(rebasing: file.bytes[kept..<end])
      // What is no JSON is somebody else's line, and stays.
      if let json = try? JSONValue.decode(line, source: file.path), !keeping(json) { break }
      kept = end + 1
    }
    return off_t(kept)
  }
}
