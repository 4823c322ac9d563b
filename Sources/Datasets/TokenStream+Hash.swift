import Storage

extension TokenStream {
  /// SHA-256 of the ids as little-endian Int32 and of the loss mask, if any, as one byte per id, in
  /// hexadecimal digits. Identifies a tokenized text.
  public func contentHash() -> String {
    let hash = ContentHash()
    let chunk = 1 << 16
    for start in stride(from: 0, to: count, by: chunk) {
      let ids = (start..<min(count, start + chunk)).map { self[$0].littleEndian }
      ids.withUnsafeBytes { hash.update($0) }
      releasePages()
    }
    if let scored { hash.update(scored.map { $0 ? UInt8(1) : 0 }) }
    return ContentHash.hexadecimal(hash.finish())
  }
}
