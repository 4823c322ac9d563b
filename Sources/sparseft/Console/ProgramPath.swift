#if canImport(Glibc)
  import Glibc
#endif

/// Where this program is, and what comes with it beside it.
enum ProgramPath {
  /// The path of the program's own file.
  static var own: String {
    var path = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &path, path.count)
    let bytes = path.prefix(max(0, count)).map(UInt8.init(bitPattern:))
    return String(decoding: bytes, as: UTF8.self)
  }
}
