#if canImport(Glibc)
  import Glibc
#endif

/// A new empty folder that removes itself, and all that is in it, when the last reference goes.
public final class TemporaryFolder: Sendable {
  /// The folder's absolute path, without a slash at the end.
  public let path: String

  /// - Throws: `TemporaryFolderError` where the system gives no folder.
  public init() throws {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array((base + "/sparseft-test-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else { throw TemporaryFolderError(errno: errno) }
    path = template.withUnsafeBufferPointer { buffer in
      String(decoding: buffer.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }

  deinit { remove(path) }

  /// The path of an entry of the folder.
  public subscript(name: String) -> String { path + "/" + name }

  /// Writes a file into the folder and returns its path; folders in `name` are made.
  /// - Throws: `TemporaryFolderError`.
  @discardableResult
  public func write(_ bytes: [UInt8], to name: String) throws -> String {
    let target = self[name]
    var made = path
    for part in name.split(separator: "/").dropLast() {
      made += "/" + part
      mkdir(made, 0o755)
    }
    guard let file = fopen(target, "wb") else { throw TemporaryFolderError(errno: errno) }
    let written = fwrite(bytes, 1, bytes.count, file)
    guard fclose(file) == 0, written == bytes.count else {
      throw TemporaryFolderError(errno: errno)
    }
    return target
  }

  /// As `write(_:to:)`, for text.
  /// - Throws: `TemporaryFolderError`.
  @discardableResult
  public func write(_ text: String, to name: String) throws -> String {
    try write(Array(text.utf8), to: name)
  }

  /// The bytes of an entry of the folder.
  /// - Throws: `TemporaryFolderError`.
  public func read(_ name: String) throws -> [UInt8] { try Self.read(self[name]) }

  /// Whether the bytes of a text occur anywhere in an entry of the folder.
  /// - Throws: `TemporaryFolderError`.
  public func holds(_ text: String, in name: String) throws -> Bool {
    let wanted = Array(text.utf8)
    return try read(name).withUnsafeBytes { bytes in
      guard let first = wanted.first, let start = bytes.baseAddress else { return wanted.isEmpty }
      var place = 0
      while place + wanted.count <= bytes.count,
        let found = memchr(start + place, Int32(first), bytes.count - wanted.count + 1 - place)
      {
        if memcmp(found, wanted, wanted.count) == 0 { return true }
        place = UnsafeRawPointer(found) - start + 1
      }
      return false
    }
  }

  /// The bytes of any file.
  /// - Throws: `TemporaryFolderError`.
  public static func read(_ path: String) throws -> [UInt8] {
    guard let file = fopen(path, "rb") else { throw TemporaryFolderError(errno: errno) }
    defer { fclose(file) }
    var result: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      if count == 0 { return result }
      result += chunk[..<count]
    }
  }

  /// The names in the folder, sorted.
  public var entries: [String] { Self.entries(of: path) }

  private static func entries(of path: String) -> [String] {
    guard let folder = opendir(path) else { return [] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
        tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  private func remove(_ path: String) {
    for name in Self.entries(of: path) {
      let child = path + "/" + name
      if unlink(child) != 0 { remove(child) }
    }
    rmdir(path)
  }
}

/// The system refused a test its temporary folder or a file in it.
public struct TemporaryFolderError: Error, CustomStringConvertible {
  /// The system's error number.
  public let errno: Int32

  public var description: String { "temporary folder: " + String(cString: strerror(errno)) }
}
