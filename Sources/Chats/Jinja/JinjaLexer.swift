/// A word of an expression.
enum JinjaToken: Equatable {
  case string(String)
  case int(Int)
  case double(Double)
  case name(String)
  case symbol(String)
}

/// A stretch of a template.
enum JinjaSegment {
  case text(String)
  /// `{{ … }}`
  case output([JinjaToken])
  /// `{% … %}`
  case statement([JinjaToken])
}

/// Takes a template apart, with the white space that `trim_blocks` and `lstrip_blocks` remove, as
/// chat templates expect it.
struct JinjaLexer {
  private let source: [Character]
  private var position = 0
  private var segments: [JinjaSegment] = []

  /// - Parameter source: without the one line feed at its end, which Jinja drops.
  private init(_ source: String) {
    var characters = Array(source.replacing("\r\n", with: "\n"))
    if characters.last == "\n" { characters.removeLast() }
    self.source = characters
  }

  static func segments(of source: String) throws(JinjaError) -> [JinjaSegment] {
    var lexer = JinjaLexer(source)
    try lexer.read()
    return lexer.segments
  }

  private mutating func read() throws(JinjaError) {
    var text = ""
    var stripsLeft = false
    while position < source.count {
      guard source[position] == "{", let kind = at(position + 1), "{%#".contains(kind) else {
        text.append(source[position])
        position += 1
        continue
      }
      position += 2
      let isBlock = kind != "{"
      add(text, stripsLeft, before: at(position), isBlock)
      text = ""
      if let mark = at(position), mark == "-" || mark == "+" { position += 1 }
      stripsLeft = try tag(kind)
      if isBlock, !stripsLeft, at(position) == "\n" { position += 1 }
    }
    add(text, stripsLeft, before: nil, false)
  }

  /// Adds text that stands before a tag, without the white space that the tags around it remove.
  private mutating func add(
    _ text: String, _ stripsLeft: Bool, before mark: Character?, _ isBlock: Bool
  ) {
    var text = stripsLeft ? String(text.drop { $0.isWhitespace }) : text
    if mark == "-" {
      while text.last?.isWhitespace == true { text.removeLast() }
    } else if isBlock, mark != "+" {
      let blank = text.reversed().prefix { $0 == " " || $0 == "\t" }.count
      let before = text.dropLast(blank).last
      // What stands before the tag on its line must be nothing else.
      if before == "\n" || before == nil && startsLine { text.removeLast(blank) }
    }
    if !text.isEmpty { segments.append(.text(text)) }
  }

  /// Whether the text that begins here begins a line: at the start, or behind a block's line feed.
  private var startsLine: Bool {
    var place = position - 2
    while place > 0, source[place - 1] == " " || source[place - 1] == "\t" { place -= 1 }
    return place == 0 || source[place - 1] == "\n"
  }

  /// Reads up to the tag's end; returns whether it strips the white space behind it.
  private mutating func tag(_ kind: Character) throws(JinjaError) -> Bool {
    let end: Character = kind == "{" ? "}" : kind
    var tokens: [JinjaToken] = []
    while position < source.count {
      let strips = source[position] == "-" && at(position + 1) == end
      let close = strips ? position + 1 : position
      if at(close) == end, at(close + 1) == "}" {
        position = close + 2
        switch kind {
        case "{": segments.append(.output(tokens))
        case "%": segments.append(.statement(tokens))
        default: break
        }
        return strips
      }
      if kind == "#" {
        position += 1
      } else if source[position].isWhitespace {
        position += 1
      } else {
        tokens.append(try token())
        guard tokens.count <= Self.tagLimit else {
          throw .limit("a tag of more than \(Self.tagLimit) words")
        }
      }
    }
    throw .unsupported("a tag without its end")
  }

  /// Words of a tag; expressions nest no deeper than they have words, which bounds the stack that
  /// freeing them takes.
  private static let tagLimit = 1 << 12
  private static let symbols = [
    "==", "!=", "<=", ">=", "//", "**", "(", ")", "[", "]", "{", "}", ",", ".", ":", "|", "+", "-",
    "*", "/", "%", "~", "<", ">", "=",
  ]

  private mutating func token() throws(JinjaError) -> JinjaToken {
    let first = source[position]
    if first == "'" || first == "\"" { return .string(try string(first)) }
    if first.isASCII, first.isNumber { return try number() }
    if first == "_" || first.isLetter {
      let start = position
      while let next = at(position), next == "_" || next.isLetter || next.isNumber { position += 1 }
      return .name(String(source[start..<position]))
    }
    for symbol in Self.symbols where source[position...].starts(with: symbol) {
      position += symbol.count
      return .symbol(symbol)
    }
    throw .unsupported("the character '\(first)'")
  }

  private mutating func number() throws(JinjaError) -> JinjaToken {
    let start = position
    while let next = at(position), next.isASCII, next.isNumber || next == "." { position += 1 }
    let text = String(source[start..<position])
    if let int = Int(text) { return .int(int) }
    guard let double = Double(text) else { throw .unsupported("the number '\(text)'") }
    return .double(double)
  }

  private mutating func string(_ quote: Character) throws(JinjaError) -> String {
    position += 1
    var text = ""
    while let next = at(position) {
      position += 1
      if next == quote { return text }
      guard next == "\\", let escaped = at(position) else {
        text.append(next)
        continue
      }
      position += 1
      switch escaped {
      case "n": text.append("\n")
      case "t": text.append("\t")
      case "r": text.append("\r")
      case "u", "x":
        let digits = escaped == "u" ? 4 : 2
        let code = source[position...].prefix(digits)
        guard code.count == digits, let value = UInt32(String(code), radix: 16),
          let scalar = Unicode.Scalar(value)
        else { throw .unsupported("an escape in a string") }
        text.unicodeScalars.append(scalar)
        position += digits
      case "\\", "'", "\"": text.append(escaped)
      default: text += "\\\(escaped)"
      }
    }
    throw .unsupported("a string without its closing quote")
  }

  private func at(_ place: Int) -> Character? {
    place < source.count ? source[place] : nil
  }
}
