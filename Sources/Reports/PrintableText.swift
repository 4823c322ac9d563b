/// Texts that may hold anything, such as names from files, made safe to print.
extension StringProtocol {
  /// The text without control characters, which could forge lines or move a terminal's cursor: they
  /// are spelled as in Swift ("\n", "\u{1B}"). Longer texts lose their middle.
  ///
  /// - Parameter limit: the most characters that stay.
  public func printable(limit: Int = 2000) -> String {
    var result = ""
    // Cut before it is spelled out: a name may have millions of characters.
    for character in shortened(to: limit).unicodeScalars {
      switch character.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator:
        result += character.escaped(asASCII: true)
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }

  /// A text of several lines without control characters but line breaks and tabs.
  public func printableText() -> String {
    var result = String.UnicodeScalarView()
    for character in unicodeScalars {
      if character.properties.generalCategory == .control, character != "\n", character != "\t" {
        result.append(contentsOf: character.escaped(asASCII: true).unicodeScalars)
      } else {
        result.append(character)
      }
    }
    return String(result)
  }

  private func shortened(to limit: Int) -> String {
    let scalars = unicodeScalars
    guard scalars.count > limit else { return String(self) }
    let (head, tail) = (limit - limit / 4, limit / 4)
    var result = String(String.UnicodeScalarView(scalars.prefix(head)))
    result += " [\(scalars.count - limit) characters] "
    result.unicodeScalars.append(contentsOf: scalars.suffix(tail))
    return result
  }

  /// The same line by line, for messages that are written as a headline with indented lines under
  /// it; a break that is not followed by two spaces is spelled out.
  public func printableLines(limit: Int = 2000, lines: Int = 200) -> String {
    var parts: [String] = []
    for line in split(separator: "\n", omittingEmptySubsequences: false) {
      if parts.isEmpty || line.hasPrefix("  ") {
        parts.append(String(line))
      } else {
        parts[parts.count - 1] += "\n" + line
      }
    }
    let more = parts.count > lines ? ["  … and \(parts.count - lines) lines more"] : []
    return (parts.prefix(lines).map { $0.printable(limit: limit) } + more)
      .joined(separator: "\n")
  }
}
