import Storage

/// A document's record in a token cache file.
struct DocumentRecord {
  /// Index of the document's first id.
  var start: UInt64
  /// Bytes of text that the document was encoded from.
  var byteCount: UInt64
}

/// Immutable ids and documents: mapped from a token cache, or copied from arrays.
final class TokenStorage: Sendable {
  nonisolated(unsafe) let ids: UnsafeBufferPointer<Int32>
  nonisolated(unsafe) let documents: UnsafeBufferPointer<DocumentRecord>
  /// The loss mask: whether each id counts as a target; nil if all do.
  nonisolated(unsafe) let scored: UnsafeBufferPointer<Bool>?
  /// Keeps the mapping alive; nil if this object owns the buffers.
  private let file: MappedFile?

  init(
    _ file: MappedFile, ids: UnsafeBufferPointer<Int32>,
    documents: UnsafeBufferPointer<DocumentRecord>
  ) {
    self.file = file
    self.ids = ids
    self.documents = documents
    scored = nil
  }

  init(ids: [Int32], documents: [DocumentRecord], scored: [Bool]?) {
    func copy<Element>(_ array: [Element]) -> UnsafeBufferPointer<Element> {
      let buffer = UnsafeMutableBufferPointer<Element>.allocate(capacity: array.count)
      _ = buffer.initialize(from: array)
      return UnsafeBufferPointer(buffer)
    }
    file = nil
    self.ids = copy(ids)
    self.documents = copy(documents)
    self.scored = scored.map(copy)
  }

  /// Drops the mapping's pages from resident memory; touching ids reads them again.
  func releasePages() {
    if let file { file.releasePages(0..<file.bytes.count) }
  }

  deinit {
    guard file == nil else { return }
    ids.deallocate()
    documents.deallocate()
    scored?.deallocate()
  }
}
