import Storage

/// A stream of ids, documents concatenated, and the windows it is cut into.
///
/// With S the sequence length, window i holds the S inputs [i·S, i·S + S) and the S targets one id
/// later. A loss mask may exclude some of the targets. A stream with rows of JSON Lines is packed
/// into windows instead (`WindowPacking`).
public struct TokenStream: Sendable {
  /// Number of ids.
  public let count: Int
  /// Bytes of UTF-8 text that the ids encode, for bits per byte.
  public let bytes: Int
  /// Number of documents that begin in the stream, or reach into it.
  public let documentCount: Int

  let storage: TokenStorage
  let firstID: Int
  /// The windows of a stream with rows; nil for a stream of text.
  let packing: WindowPacking?

  /// A stream of given ids, for short texts and for tests.
  /// - Parameters:
  ///   - documentStarts: start index of each document, increasing; the first may be above 0.
  ///   - bytes: bytes of text that the ids encode.
  ///   - scored: loss mask, whether each id counts as a target; nil if all do.
  public init(ids: [Int32], documentStarts: [Int], bytes: Int, scored: [Bool]? = nil) {
    precondition(
      zip(documentStarts, documentStarts.dropFirst()).allSatisfy { $0 < $1 }
        && documentStarts.allSatisfy { ids.indices.contains($0) },
      "document starts \(documentStarts) are not rising indices of \(ids.count) ids")
    precondition(
      scored == nil || scored?.count == ids.count,
      "a mask of \(scored?.count ?? 0) places for \(ids.count) ids")
    let documents = documentStarts.map { DocumentRecord(start: UInt64($0), byteCount: 0) }
    let leading = documentStarts.first == 0 || ids.isEmpty ? 0 : 1
    self.init(
      TokenStorage(ids: ids, documents: documents, scored: scored), ids: 0..<ids.count,
      bytes: bytes,
      documentCount: documents.count + leading)
  }

  init(
    _ storage: TokenStorage, ids: Range<Int>, bytes: Int, documentCount: Int,
    packing: WindowPacking? = nil
  ) {
    self.storage = storage
    self.bytes = bytes
    self.documentCount = documentCount
    self.packing = packing
    firstID = ids.lowerBound
    count = ids.count
  }

  /// The stream with its rows packed into windows of S tokens; the same stream if it has no rows.
  func packed(sequenceLength: Int, longRows: LongRows) -> TokenStream {
    let ids = firstID..<firstID + count
    let documents = firstDocument(after: ids.lowerBound)..<firstDocument(after: ids.upperBound)
    guard storage.documents[documents].contains(where: { $0.isRow }) else { return self }
    return TokenStream(
      storage, ids: ids, bytes: bytes, documentCount: documentCount,
      packing: WindowPacking(
        storage, ids: ids, documents: documents, sequenceLength: sequenceLength,
        longRows: longRows))
  }

  /// What packing did to the stream's rows; nil for a stream of text.
  public var packingReport: PackingReport? { packing?.report }

  /// Whether both streams are the same ids of the same storage, not a copy.
  public func isSame(as other: TokenStream) -> Bool {
    storage === other.storage && firstID == other.firstID && count == other.count
  }

  /// The id at `index`.
  public subscript(index: Int) -> Int32 {
    precondition(index >= 0 && index < count, "id \(index) of \(count)")
    return storage.ids[firstID + index]
  }

  /// Drops the ids' pages from resident memory, so that a long text only costs the windows being
  /// read.
  public func releasePages() { storage.releasePages() }

  /// Checks that the ids are those that were read when the run started.
  ///
  /// - Throws: `StorageError.changed` if the file of ids was written to since.
  public func checkUnchanged() throws(StorageError) { try storage.checkUnchanged() }

  /// Number of windows.
  /// - Parameters:
  ///   - sequenceLength: S, at least 1.
  ///   - includePartial: also count a last window with fewer than S targets; packed windows count
  ///     however full they are.
  public func windowCount(sequenceLength: Int, includePartial: Bool) -> Int {
    precondition(sequenceLength > 0, "sequence length \(sequenceLength)")
    if let packing { return packing.windowCount(sequenceLength: sequenceLength) }
    let targets = max(0, count - 1)
    let whole = targets / sequenceLength
    return includePartial && targets % sequenceLength > 0 ? whole + 1 : whole
  }

  /// Writes window `window` into buffers of S elements each.
  ///
  /// Excluded targets are -1. Beyond the end of the stream inputs are 0 and targets -1, and the
  /// padding counts as a separate document.
  /// - Parameter documentStarts: for each position in the window, the position where its document
  ///   begins; 0 if that was before the window.
  public func fill(
    window: Int, inputs: UnsafeMutableBufferPointer<Int32>,
    targets: UnsafeMutableBufferPointer<Int32>,
    documentStarts: UnsafeMutableBufferPointer<Int32>
  ) {
    let length = inputs.count
    precondition(
      length > 0 && targets.count == length && documentStarts.count == length,
      "buffers of \(length), \(targets.count) and \(documentStarts.count) elements")
    precondition(
      window >= 0 && window < windowCount(sequenceLength: length, includePartial: true),
      "window \(window) of length \(length) in a stream of \(count) ids")
    var filled = 0
    for ids in ranges(window: window, sequenceLength: length) {
      let (values, scored) = (storage.ids(ids), storage.scored(ids))
      var document = firstDocument(after: ids.lowerBound)
      var begin = filled
      for (place, id) in ids.dropLast().enumerated() {
        if document < storage.documents.count, storage.documents[document].start == id {
          begin = filled
          document += 1
        }
        inputs[filled] = values[place]
        targets[filled] = scored?[place + 1] == false ? -1 : values[place + 1]
        documentStarts[filled] = Int32(begin)
        filled += 1
      }
    }
    for place in filled..<length {
      inputs[place] = 0
      targets[place] = -1
      documentStarts[place] = Int32(filled)
    }
  }

  /// The ids of a window, as indices of the storage; all but the last of each range are inputs, all
  /// but the first are targets.
  private func ranges(window: Int, sequenceLength: Int) -> [Range<Int>] {
    if let packing { return packing.ranges(window: window) }
    let start = firstID + window * sequenceLength
    return [start..<min(start + sequenceLength + 1, firstID + count)]
  }

  /// Number of targets in a window that count; S for a whole window without a loss mask.
  /// - Parameter sequenceLength: S, at least 1.
  public func scoredCount(window: Int, sequenceLength: Int) -> Int {
    precondition(
      window >= 0
        && window < windowCount(sequenceLength: sequenceLength, includePartial: true),
      "window \(window) of length \(sequenceLength) in a stream of \(count) ids")
    return ranges(window: window, sequenceLength: sequenceLength).reduce(0) {
      $0 + storage.scoredCount($1.dropFirst())
    }
  }

  /// Total number of targets in the windows that count.
  public func scoredCount(windows: some Sequence<Int>, sequenceLength: Int) -> Int {
    windows.reduce(0) { $0 + scoredCount(window: $1, sequenceLength: sequenceLength) }
  }

  /// Number of targets in the stream that count; of a text all ids but the first without a loss mask.
  public var scoredCount: Int {
    if let packing { return packing.scoredCount }
    return count > 1 ? storage.scoredCount(firstID + 1..<firstID + count) : 0
  }

  /// The stream's loss mask: whether each id counts as a target; nil if all do.
  var scored: Slice<UnsafeBufferPointer<Bool>>? { storage.scored?[firstID..<firstID + count] }

  /// The documents that begin in the stream, as indices of its ids.
  var documents: [Range<Int>] {
    let last = firstID + count
    let places = firstDocument(after: firstID)..<firstDocument(after: last)
    return places.map { index in
      let end = index + 1 < places.upperBound ? Int(storage.documents[index + 1].start) : last
      return Int(storage.documents[index].start) - firstID..<end - firstID
    }
  }

  /// Index of the first document that begins at or after `id`.
  private func firstDocument(after id: Int) -> Int { storage.firstDocument(after: id) }
}

extension TokenStream {
  /// Number of occurrences of each id in the stream, [vocabularySize]. Releases pages along the
  /// way, so that a long text does not fill memory.
  ///
  /// - Parameter vocabularySize: more than the largest id.
  public func pieceFrequencies(vocabularySize: Int) -> [Int] {
    var counts = [Int](repeating: 0, count: vocabularySize)
    for start in stride(from: 0, to: count, by: 1 << 20) {
      for index in start..<min(start + 1 << 20, count) { counts[Int(self[index])] += 1 }
      releasePages()
    }
    return counts
  }

  /// All ids below `vocabularySize`, most frequent in the stream first, ties by lower id. Ids that
  /// do not occur come last.
  ///
  /// - Parameter vocabularySize: more than the largest id.
  public func rowsByFrequency(vocabularySize: Int) -> [Int32] {
    let counts = pieceFrequencies(vocabularySize: vocabularySize)
    return (0..<Int32(vocabularySize)).sorted { left, right in
      let (a, b) = (counts[Int(left)], counts[Int(right)])
      return a == b ? left < right : a > b
    }
  }
}
