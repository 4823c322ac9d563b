/// Spells a tokenizer's split pattern for PCRE2.
///
/// Hugging Face's files are written for Oniguruma with Ruby's syntax. What both read alike is
/// copied, what they read differently is spelled out ("\s" has one character more in PCRE2), and
/// everything else is refused by name.
struct PatternTranslation {
  private let source: [Unicode.Scalar]
  private var position = 0
  /// The pattern for PCRE2.
  private(set) var text = ""

  /// - Throws: `TokenizerError.invalidTokenizer` for a construct that is not known to be alike.
  init(_ pattern: String) throws(TokenizerError) {
    source = Array(pattern.unicodeScalars)
    while position < source.count { try item() }
  }

  /// White space as Unicode defines it, inside brackets.
  private static let space = "\\p{Z}\\x09-\\x0D\\x{85}"
  private static let categories: Set<String> = [
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc",
    "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "C",
    "Cc", "Cf", "Co", "Cn",
  ]
  private static let groups = ["?:", "?=", "?!", "?>", "?<=", "?<!", "?i:"]

  private mutating func item() throws(TokenizerError) {
    switch source[position] {
    case "\\": try escape(inBrackets: false)
    case "[": try brackets()
    case "(": try group()
    case "{": try count()
    default: copy()
    }
  }

  private mutating func copy() {
    text.unicodeScalars.append(source[position])
    position += 1
  }

  private mutating func group() throws(TokenizerError) {
    copy()
    guard position < source.count, source[position] == "?" || source[position] == "*" else {
      return
    }
    guard let kind = Self.groups.first(where: { starts(with: $0) }) else {
      throw refused("(" + String(String.UnicodeScalarView(source[position...].prefix(3))))
    }
    text += kind
    position += kind.unicodeScalars.count
  }

  /// A repetition such as {1,3}, or a brace that is none.
  private mutating func count() throws(TokenizerError) {
    let rest = source[(position + 1)...]
    guard let end = rest.firstIndex(of: "}") else { return literalBrace() }
    let bounds = rest[..<end].split(separator: ",", omittingEmptySubsequences: false)
    let isCount = bounds.count <= 2 && rest[..<end].contains { $0 != "," }
    guard isCount, bounds.allSatisfy({ $0.allSatisfy { ("0"..."9").contains($0) } }) else {
      return literalBrace()
    }
    if end + 1 < source.count, source[end + 1] == "+" { throw refused("}+") }
    let words = bounds.map { String(String.UnicodeScalarView($0)) }
    text += "{" + (words[0].isEmpty ? "0" : words[0]) + (words.count == 2 ? ",\(words[1])" : "")
    text += "}"
    position = end + 1
  }

  private mutating func literalBrace() {
    text += "\\{"
    position += 1
  }

  private mutating func brackets() throws(TokenizerError) {
    copy()
    if position < source.count, source[position] == "^" { copy() }
    var isFirst = true
    while true {
      guard position < source.count else { throw refused("[ without ]") }
      switch source[position] {
      case "]":
        guard !isFirst else { throw refused("[]") }
        copy()
        return
      case "[": throw refused("[ inside [ ]")
      case "&" where starts(with: "&&"): throw refused("&&")
      case "\\": try escape(inBrackets: true)
      default: copy()
      }
      isFirst = false
    }
  }

  private mutating func escape(inBrackets: Bool) throws(TokenizerError) {
    guard position + 1 < source.count else { throw refused("\\ at the end") }
    let letter = source[position + 1]
    position += 2
    switch letter {
    case "n", "r", "t", "f": text += "\\\(letter)"
    case "v": text += "\\x0B"
    case "s": text += inBrackets ? Self.space : "[\(Self.space)]"
    case "S":
      guard !inBrackets else { throw refused("\\S inside [ ]") }
      text += "[^\(Self.space)]"
    case "d": text += "\\p{Nd}"
    case "D": text += "\\P{Nd}"
    case "p", "P": try property(isNegated: letter == "P")
    case "x": try codePoint()
    case "u": try fourDigits()
    default:
      guard letter.isASCII, !letter.properties.isAlphabetic, letter.properties.numericType == nil,
        letter.value > 0x20
      else { throw refused("\\\(letter)") }
      text += "\\\(letter)"
      return
    }
    // Behind a class, "-" stands for itself.
    let isClass = "sdDpP".unicodeScalars.contains(letter)
    if inBrackets, isClass, position < source.count, source[position] == "-" {
      text += "\\-"
      position += 1
    }
  }

  /// {L} behind \p, {^L}, or the name of a script.
  private mutating func property(isNegated: Bool) throws(TokenizerError) {
    guard position < source.count, source[position] == "{",
      let end = source[position...].firstIndex(of: "}")
    else { throw refused("\\p without { }") }
    var name = String(String.UnicodeScalarView(source[(position + 1)..<end]))
    position = end + 1
    let isInverse = name.hasPrefix("^")
    if isInverse { name.removeFirst() }
    guard !name.isEmpty, name.allSatisfy({ $0.isASCII && ($0.isLetter || $0 == "_") }) else {
      throw refused("\\p{\(name)}")
    }
    text += isNegated != isInverse ? "\\P{" : "\\p{"
    text += (Self.categories.contains(name) ? name : "sc:" + name) + "}"
  }

  /// Digits behind \x: {…} a code point, else a byte, which is a character below 0x80 only.
  private mutating func codePoint() throws(TokenizerError) {
    if position < source.count, source[position] == "{" {
      guard let end = source[position...].firstIndex(of: "}") else { throw refused("\\x{") }
      try append(codePoint: source[(position + 1)..<end])
      position = end + 1
    } else {
      let digits = source[position...].prefix(2)
      guard digits.count == 2, ("0"..."7").contains(digits[position]) else {
        throw refused("\\x of a byte")
      }
      try append(codePoint: digits)
      position += 2
    }
  }

  private mutating func fourDigits() throws(TokenizerError) {
    let digits = source[position...].prefix(4)
    guard digits.count == 4 else { throw refused("\\u") }
    try append(codePoint: digits)
    position += 4
  }

  private mutating func append(
    codePoint digits: ArraySlice<Unicode.Scalar>
  ) throws(TokenizerError) {
    let word = String(String.UnicodeScalarView(digits))
    guard digits.count <= 6, digits.allSatisfy({ $0.properties.isASCIIHexDigit }),
      let value = UInt32(word, radix: 16), Unicode.Scalar(value) != nil
    else { throw refused("the code point \(word.prefix(10))") }
    text += "\\x{\(word)}"
  }

  private func starts(with prefix: String) -> Bool {
    source[position...].starts(with: prefix.unicodeScalars)
  }

  private func refused(_ construct: String) -> TokenizerError {
    let pattern = String(String.UnicodeScalarView(source.prefix(80)))
    return .invalidTokenizer(
      field: "the split pattern \(pattern)", found: "'\(construct)'",
      expected: "what is known to mean the same in PCRE2")
  }
}
