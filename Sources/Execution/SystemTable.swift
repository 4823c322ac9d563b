#if canImport(Glibc)
  import Glibc
#endif

/// One of the kernel's tables of names and values, a line each.
package struct SystemTable {
  private let path: String

  package init(_ path: String) { self.path = path }

  /// The number after a name, in the table's unit; nil if it is missing.
  package subscript(name: String) -> Int? { text(name).flatMap { Int($0) } }

  /// The word after a name; nil if it is missing.
  package func text(_ name: String) -> Substring? {
    for line in textLines(path) {
      let words = line.split(whereSeparator: \.isWhitespace)
      if words.count > 1, words[0] == name { return words[1] }
    }
    return nil
  }
}

/// The lines of a small file; none if it can't be read.
func textLines(_ path: String) -> [String] {
  guard let file = fopen(path, "re") else { return [] }
  defer { fclose(file) }
  var lines: [String] = []
  var line = [CChar](repeating: 0, count: 512)
  while fgets(&line, Int32(line.count), file) != nil {
    let text = String(
      decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    lines.append(text.hasSuffix("\n") ? String(text.dropLast()) : text)
  }
  return lines
}
