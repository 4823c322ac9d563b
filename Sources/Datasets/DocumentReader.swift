import Storage

/// Finds the documents of a text file one by one, with at most one chunk of it in memory.
///
/// With a separator, a document is the text between two separators, stripped of surrounding white
/// space (as Unicode defines it); empty documents are dropped. Without one the whole file is one
/// document, unchanged.
package struct DocumentReader {
  private let file: TextFile
  private let separator: [UInt8]
  private var position = 0
  /// The chunk read last, and where it begins.
  private var chunk: [UInt8] = []
  private var chunkStart = 0
  private var pages: TextPages

  /// - Parameters:
  ///   - file: UTF-8 text.
  ///   - separator: nil or empty to read the file as one document.
  package init(_ file: TextFile, separator: String?) {
    self.file = file
    self.separator = Array((separator ?? "").utf8)
    pages = TextPages(file)
  }

  /// The byte range of the next document; nil at the end of the file.
  /// - Throws: as `TextFile.bytes`.
  package mutating func next() throws(DatasetError) -> Range<Int>? {
    let count = file.count
    if separator.isEmpty {
      defer { position = count }
      return position < count ? 0..<count : nil
    }
    while position < count {
      let start = position
      let end = try nextSeparator() ?? count
      position = min(count, end + separator.count)
      let document = try trimmed(start..<end)
      if !document.isEmpty { return document }
    }
    return nil
  }

  /// Offset of the next separator; nil if there is none.
  private mutating func nextSeparator() throws(DatasetError) -> Int? {
    var start = position
    while start < file.count {
      if start < chunkStart || start >= chunkStart + chunk.count - separator.count + 1 {
        // Chunks overlap so that a separator across their boundary is found.
        chunkStart = start
        chunk = try file.bytes(start..<min(file.count, start + chunkBytes + separator.count - 1))
      }
      let found = chunk.withUnsafeBytes { $0.firstPlace(of: separator, from: start - chunkStart) }
      if let found { return chunkStart + found }
      start = max(start + 1, chunkStart + chunk.count - separator.count + 1)
      if chunkStart + chunk.count == file.count { return nil }
    }
    return nil
  }

  private mutating func trimmed(_ range: Range<Int>) throws(DatasetError) -> Range<Int> {
    var (start, end) = (range.lowerBound, range.upperBound)
    while start < end, let length = try whiteSpace(at: start), start + length <= end {
      start += length
    }
    while end > start {
      var first = end - 1
      while first > start, try pages.byte(first) & 0xC0 == 0x80 { first -= 1 }
      guard let length = try whiteSpace(at: first), first + length == end else { break }
      end = first
    }
    return start..<end
  }

  /// Byte length of the white-space character that begins at `index`; nil for any other character.
  private mutating func whiteSpace(at index: Int) throws(DatasetError) -> Int? {
    let lead = try pages.byte(index)
    let length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
    guard index + length <= file.count else { return nil }
    var bytes: [UInt8] = []
    for place in index..<index + length { bytes.append(try pages.byte(place)) }
    let scalar = String(decoding: bytes, as: UTF8.self).unicodeScalars.first
    return scalar?.properties.isWhitespace == true ? length : nil
  }
}
