#if canImport(Glibc)
  import Glibc
#endif

/// The first bytes of a file, by which formats are told apart.
package enum FileStart {
  /// The first `count` bytes; nil for a shorter file, or one that can't be read.
  package static func bytes(_ path: String, count: Int) -> [UInt8]? {
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = max(0, pread(descriptor, buffer.baseAddress, count, 0))
    }
    return bytes.count == count ? bytes : nil
  }
}
