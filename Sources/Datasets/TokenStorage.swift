import Storage

/// A document's record in a token cache file.
struct DocumentRecord {
  /// Index of the document's first id.
  var start: UInt64
  /// Bytes of text that the document was encoded from; of a row, of the text that counts.
  var byteCount: UInt64
  /// 1 for a row of a JSON Lines file that stays whole in a window, 0 for text that windows cut.
  var kind: UInt64 = 0

  var isRow: Bool { kind == 1 }
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
    documents: UnsafeBufferPointer<DocumentRecord>, scored: UnsafeBufferPointer<Bool>?
  ) {
    self.file = file
    self.ids = ids
    self.documents = documents
    self.scored = scored
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

  /// Index of the first document that begins at or after `id`.
  func firstDocument(after id: Int) -> Int {
    var (low, high) = (0, documents.count)
    while low < high {
      let middle = (low + high) / 2
      if documents[middle].start < id { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Number of ids in a range that count as targets.
  func scoredCount(_ ids: Range<Int>) -> Int {
    guard let scored else { return ids.count }
    return stride(from: ids.lowerBound, to: ids.upperBound, by: Self.markedAtATime).reduce(0) {
      let part = $1..<min($1 + Self.markedAtATime, ids.upperBound)
      return $0 + copied(part, of: scored).count { $0 }
    }
  }

  private static let markedAtATime = 1 << 16

  /// The ids of a range.
  func ids(_ range: Range<Int>) -> [Int32] { copied(range, of: ids) }

  /// Whether each id of a range counts as a target; nil if all do.
  func scored(_ range: Range<Int>) -> [Bool]? { scored.map { copied(range, of: $0) } }

  /// Elements of one of the buffers. Those of a file are read, not touched where they are mapped:
  /// around every place of a random order the system would map up to two megabytes.
  private func copied<Element>(
    _ range: Range<Int>, of buffer: UnsafeBufferPointer<Element>
  ) -> [Element] {
    precondition(range.lowerBound >= 0 && range.upperBound <= buffer.count, "\(range)")
    guard let file, let start = file.bytes.baseAddress, let first = buffer.baseAddress else {
      return Array(buffer[range])
    }
    let size = MemoryLayout<Element>.stride
    let offset = UnsafeRawPointer(first) - start
    return [Element](unsafeUninitializedCapacity: range.count) { target, count in
      if let target = target.baseAddress {
        file.copy(offset + size * range.lowerBound..<offset + size * range.upperBound, into: target)
      }
      count = range.count
    }
  }

  /// - Throws: `StorageError.changed` if the file was written to since it was opened.
  func checkUnchanged() throws(StorageError) { try file?.checkUnchanged() }

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
