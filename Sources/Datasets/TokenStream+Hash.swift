import Storage

extension TokenStream {
  /// SHA-256 of the ids as little-endian Int32, of the places where documents begin, of the loss
  /// mask, if any, as one byte per id, and of the places of packed rows; in hexadecimal digits.
  /// Identifies a tokenized text, the order of its documents included.
  public func contentHash() -> String {
    let hash = ContentHash()
    let chunk = 1 << 16
    for start in stride(from: 0, to: count, by: chunk) {
      let ids = (start..<min(count, start + chunk)).map { self[$0].littleEndian }
      ids.withUnsafeBytes { hash.update($0) }
      releasePages()
    }
    let documents =
      storage.firstDocument(after: firstID)..<storage.firstDocument(after: firstID + count)
    for document in storage.documents[documents] {
      let place = document.start - UInt64(firstID)
      withUnsafeBytes(of: place.littleEndian) { hash.update($0) }
    }
    if let scored { hash.update(scored.map { $0 ? UInt8(1) : 0 }) }
    // Windows of rows depend on more than ids: on where rows begin and what was dropped.
    for ids in packing?.allRanges ?? [] {
      withUnsafeBytes(of: (UInt64(ids.lowerBound - firstID).littleEndian, UInt64(ids.count))) {
        hash.update($0)
      }
    }
    return ContentHash.hexadecimal(hash.finish())
  }
}
