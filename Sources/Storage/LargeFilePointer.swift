/// The small text that Git leaves in place of a file kept by its Large File Storage until `git lfs
/// pull` fetches it.
struct LargeFilePointer {
  /// Bytes of the file that it stands for; nil if the text does not say.
  let byteCount: Int?

  private static let start = Array("version https://git-lfs.github.com/spec/v1\n".utf8)
  /// The specification's own limit on a pointer's bytes.
  private static let limit = 1024

  /// Nil for bytes that are no pointer.
  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count < Self.limit, bytes.starts(with: Self.start) else { return nil }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    byteCount = lines.first { $0.hasPrefix("size ") }.flatMap { Int($0.dropFirst(5)) }
  }
}
