import Storage

extension TokenStream {
  /// SHA-256 over the ids as little-endian Int32, and the mask if there is one, a byte for each, in
  /// hexadecimal digits: tells texts (as a tokenizer reads them) apart.
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
