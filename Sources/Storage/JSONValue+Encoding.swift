/// How encoded JSON is laid out.
public enum JSONLayout: Sendable {
  /// One line without spaces.
  case compact
  /// Indented by two spaces per level, with one member or element per line.
  case pretty
}

extension JSONValue: CustomStringConvertible {
  /// The document as text, without a final newline. Every number is parsed back to the same value.
  ///
  /// - Parameter sorted: orders keys by their Unicode scalars instead of by insertion.
  public func encoded(_ layout: JSONLayout = .compact, sorted: Bool = false) -> String {
    var writer = JSONWriter(layout: layout, sorted: sorted)
    writer.write(self, level: 0)
    return writer.text
  }

  /// The compact encoding.
  public var description: String { encoded() }
}

private struct JSONWriter {
  let layout: JSONLayout
  let sorted: Bool
  var text = ""

  mutating func write(_ value: JSONValue, level: Int) {
    switch value {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .int(let value): text += String(value)
    case .number(let value): text += value.isFinite ? value.description : "null"
    case .string(let value): write(string: value)
    case .array(let elements):
      list("[", "]", elements, level) { writer, element in
        writer.write(element, level: level + 1)
      }
    case .object(let object):
      list("{", "}", ordered(object), level) { writer, member in
        writer.write(string: member.key)
        writer.text += writer.layout == .pretty ? ": " : ":"
        writer.write(member.value, level: level + 1)
      }
    }
  }

  private func ordered(_ object: JSONObject) -> [JSONObject.Member] {
    guard sorted else { return object.members }
    return object.members.sorted {
      $0.key.unicodeScalars.lexicographicallyPrecedes($1.key.unicodeScalars)
    }
  }

  private mutating func list<Element>(
    _ open: String, _ close: String, _ elements: [Element], _ level: Int,
    _ body: (inout JSONWriter, Element) -> Void
  ) {
    text += open
    for (index, element) in elements.enumerated() {
      if index > 0 { text += "," }
      breakLine(level + 1)
      body(&self, element)
    }
    if !elements.isEmpty { breakLine(level) }
    text += close
  }

  private mutating func breakLine(_ level: Int) {
    guard layout == .pretty else { return }
    text += "\n" + String(repeating: "  ", count: level)
  }

  private mutating func write(string: String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      // Those from U+0080 on move a terminal's cursor as escape sequences do.
      case "\u{0}"..<"\u{20}", "\u{7F}"..."\u{9F}":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
