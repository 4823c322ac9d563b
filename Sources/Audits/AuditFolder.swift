import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// A folder for this user alone that is gone when the audit ends.
final class AuditFolder {
  let path: String
  private let work: WorkFolder

  /// - Throws: `AuditError.noFolder`, and `StorageError`.
  init() throws {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(parent)/sparseft-audit-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw AuditError.noFolder(path: parent, reason: systemMessage(errno))
    }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    work = WorkFolder(path + "/work", Self.everything())
    try work.create()
  }

  deinit { remove() }

  /// Where files may be made.
  var inner: String { work.path }

  func remove() {
    work.remove()
    rmdir(path)
  }

  private static func everything() -> WorkFolder.Contents {
    WorkFolder.Contents(isFile: { _ in true }, folder: { _ in everything() })
  }
}
