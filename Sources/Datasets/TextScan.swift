import Storage
import Tokenizers

/// Reads a file once, to tell whether it is text and which marks between documents stand in it.
struct TextScan {
  /// Marks that other tools put between documents.
  static let knownMarks = [
    "<|endoftext|>", "<|end_of_text|>", "<|im_end|>", "<|eot_id|>", "</s>", "<eos>",
  ]

  /// The known marks that the file holds.
  private(set) var marks: Set<String> = []
  private(set) var holdsSeparator = false
  private let separator: [UInt8]
  private let overlap: Int

  init(separator: String?) {
    self.separator = Array((separator ?? "").utf8)
    overlap = max(self.separator.count, Self.knownMarks.map(\.utf8.count).max() ?? 0)
  }

  /// Offset of the first byte of a file that is not text, and what it is; nil if all is text.
  /// - Throws: as `TextFile.bytes`.
  mutating func firstNonText(
    of file: TextFile
  ) throws(DatasetError) -> (offset: Int, found: String)? {
    if try file.bytes(0..<min(5, file.count)) == Array("%PDF-".utf8) { return (0, "a PDF file") }
    var start = 0
    while start < file.count {
      let end = min(start + chunkBytes, file.count)
      let bytes = try file.bytes(start..<min(file.count, end + overlap))
      look(for: bytes)
      let (offset, found) = bytes.withUnsafeBytes { bytes in
        Self.firstNonText(
          UnsafeRawBufferPointer(rebasing: bytes[..<(end - start)]), isLast: end == file.count)
      }
      if let found { return (start + offset, found) }
      start += offset
    }
    return nil
  }

  /// Offset of the first byte of a chunk that is not text, and what it is; else where the next chunk
  /// begins.
  private static func firstNonText(
    _ chunk: UnsafeRawBufferPointer, isLast: Bool
  ) -> (offset: Int, found: String?) {
    let zero = chunk.firstIndex(of: 0)
    if let invalid = firstInvalidUTF8(chunk), invalid < zero ?? chunk.count {
      // A character cut by the chunk's end is checked again as a whole.
      guard invalid > 0, chunk.count - invalid < 4, !isLast else {
        let byte = ContentHash.hexadecimal(CollectionOfOne(chunk[invalid])).uppercased()
        return (invalid, "byte 0x\(byte)")
      }
      return (invalid, nil)
    }
    return zero.map { ($0, "a zero byte") } ?? (chunk.count, nil)
  }

  private mutating func look(for bytes: [UInt8]) {
    bytes.withUnsafeBytes { bytes in
      if !separator.isEmpty, !holdsSeparator {
        holdsSeparator = bytes.firstPlace(of: separator) != nil
      }
      for mark in Self.knownMarks where !marks.contains(mark) {
        if Self.holds(mark: Array(mark.utf8), bytes) { marks.insert(mark) }
      }
    }
  }
}

extension TextScan {
  /// Whether a mark stands in the bytes and is not merely quoted, as in a page about such marks or in
  /// a program's source.
  private static func holds(mark: [UInt8], _ bytes: UnsafeRawBufferPointer) -> Bool {
    let quotes = Set("\"'`\\".utf8)
    var rest = bytes
    while let place = rest.firstPlace(of: mark) {
      let end = place + mark.count
      let isQuoted =
        (place > 0 && quotes.contains(rest[place - 1]))
        || (end < rest.count && quotes.contains(rest[end]))
      if !isQuoted { return true }
      rest = UnsafeRawBufferPointer(rebasing: rest[end...])
    }
    return false
  }
}

/// What was found in text files that may not be what was meant.
struct TextFindings: Sendable {
  /// Text files that are no files of rows.
  private var fileCount = 0
  private var holdsSeparator = false
  /// The first file that holds each mark.
  private var marks: [String: String] = [:]
  /// By ending, the files that are made for other programs.
  private var marked: [String: [String]] = [:]

  /// Endings of files whose text holds more than words, and what that is.
  private static let endings = [
    "csv": "commas and quotes included", "tsv": "tabs included", "html": "tags and all",
    "htm": "tags and all", "xml": "tags and all", "json": "braces, keys and all",
  ]

  /// Adds what was found in a file.
  mutating func add(_ path: String, _ scan: TextScan) {
    fileCount += 1
    if scan.holdsSeparator { holdsSeparator = true }
    for mark in scan.marks where marks[mark] == nil { marks[mark] = path }
    let name = path.lowercased()
    guard let dot = name.lastIndex(of: ".") else { return }
    let ending = String(name[name.index(after: dot)...])
    if Self.endings[ending] != nil { marked[ending, default: []].append(path) }
  }

  /// Warnings for the user.
  /// - Parameters:
  ///   - use: the text's purpose in messages, such as "training".
  ///   - separator: what stands between documents; nil for nothing.
  func warnings(_ use: String, separator: String?, tokenizer: any Tokenizer) -> [String] {
    var warnings: [String] = []
    for (ending, files) in marked.sorted(by: { $0.key < $1.key }) {
      let others = files.count > 1 ? " and \(files.count - 1) more .\(ending)" : ""
      warnings.append(
        "'\(files[0])'\(others): read as plain text, \(Self.endings[ending] ?? "as it is"); for "
          + "questions and answers make it a .jsonl file of rows")
    }
    if let separator, !holdsSeparator, fileCount > 0 {
      warnings.append(
        "data.document_separator \"\(separator)\" never occurs in the \(use) text, so that each file "
          + "is one document; check how the separator is spelled")
    }
    guard separator == nil else { return warnings }
    for (mark, path) in marks.sorted(by: { $0.key < $1.key }) {
      warnings.append(
        "the \(use) text holds \"\(mark)\" (first in '\(path)') and no document separator is set: it "
          + "is read as \(Self.reading(mark, tokenizer)); set data.document_separator to \"\(mark)\" "
          + "if it stands between documents")
    }
    return warnings
  }

  /// What a mark in a text becomes, in words.
  private static func reading(_ mark: String, _ tokenizer: any Tokenizer) -> String {
    let ids = (try? tokenizer.encodeContinuing(mark)) ?? []
    if let id = ids.first, ids.count == 1 { return "the one token \(id)" }
    return "plain characters, \(ids.count) tokens"
  }
}

extension Tokenizer {
  /// As `encodeContinuing(utf8:)`.
  fileprivate func encodeContinuing(_ text: String) throws(TokenizerError) -> [Int32] {
    let bytes = Array(text.utf8)
    let result: Result<[Int32], TokenizerError> = bytes.withUnsafeBytes { bytes in
      Result { () throws(TokenizerError) in try encodeContinuing(utf8: bytes) }
    }
    return try result.get()
  }
}
