import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// Finds the documents of a mapped text file one by one, with at most one chunk of it in memory.
///
/// With a separator, a document is the text between two separators, stripped of surrounding white
/// space (as Unicode defines it); empty documents are dropped. Without one the whole file is one
/// document, unchanged.
public struct DocumentReader {
  private let file: MappedFile
  private let separator: [UInt8]
  private var position = 0

  /// - Parameters:
  ///   - file: UTF-8 text.
  ///   - separator: nil or empty to read the file as one document.
  public init(_ file: MappedFile, separator: String?) {
    self.file = file
    self.separator = Array((separator ?? "").utf8)
  }

  /// The byte range of the next document; nil at the end of the file.
  public mutating func next() -> Range<Int>? {
    let count = file.bytes.count
    if separator.isEmpty {
      defer { position = count }
      return position < count ? 0..<count : nil
    }
    while position < count {
      let start = position
      let end = nextSeparator() ?? count
      position = min(count, end + separator.count)
      let document = trimmed(start..<end)
      if !document.isEmpty { return document }
    }
    return nil
  }

  /// Offset of the next separator; nil if there is none.
  private func nextSeparator() -> Int? {
    var start = position
    while start < file.bytes.count {
      // Chunks overlap so that a separator across their boundary is found.
      let end = min(file.bytes.count, start + chunkBytes + separator.count - 1)
      if let found = separator(in: start..<end) { return found }
      file.releasePages(start..<min(end, start + chunkBytes))
      start += chunkBytes
    }
    return nil
  }

  private func separator(in range: Range<Int>) -> Int? {
    guard let base = file.bytes.baseAddress else { return nil }
    // End of the range in which a separator can begin.
    let end = range.upperBound - separator.count + 1
    var start = range.lowerBound
    while start < end, let next = memchr(base + start, Int32(separator[0]), end - start) {
      let place = UnsafeRawPointer(next) - base
      if memcmp(base + place, separator, separator.count) == 0 { return place }
      start = place + 1
    }
    return nil
  }

  private func trimmed(_ range: Range<Int>) -> Range<Int> {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end, let length = whiteSpace(at: start), start + length <= end { start += length }
    while end > start {
      var first = end - 1
      while first > start, file.bytes[first] & 0xC0 == 0x80 { first -= 1 }
      guard let length = whiteSpace(at: first), first + length == end else { break }
      end = first
    }
    return start..<end
  }

  /// Byte length of the white-space character that begins at `index`; nil for any other character.
  private func whiteSpace(at index: Int) -> Int? {
    let lead = file.bytes[index]
    let length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
    guard index + length <= file.bytes.count else { return nil }
    let bytes = file.bytes[index..<index + length]
    let scalar = String(decoding: bytes, as: UTF8.self).unicodeScalars.first
    return scalar?.properties.isWhitespace == true ? length : nil
  }
}
