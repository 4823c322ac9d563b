import Testing

/// What every page must keep, however it came about: a small reader of HTML that knows no more than
/// pages need.
struct PageChecker {
  let html: String
  private(set) var elements: [(name: String, attributes: [String: String])] = []
  /// What is wrong with the page.
  private(set) var problems: [String] = []
  private static let empty: Set = ["meta"]

  init(_ html: String) {
    self.html = html
    read()
    check()
  }

  private mutating func read() {
    var open: [String] = []
    var rest = Substring(html)
    while let start = rest.firstIndex(of: "<") {
      rest = rest[rest.index(after: start)...]
      guard let end = rest.firstIndex(of: ">") else { break }
      let tag = rest[..<end]
      rest = rest[rest.index(after: end)...]
      if tag.hasPrefix("!") { continue }
      if tag.hasPrefix("/") {
        if open.popLast() != String(tag.dropFirst()) { problems.append("</\(tag.dropFirst())>") }
        continue
      }
      let name = String(tag.prefix { $0 != " " && $0 != "/" && $0 != "\n" })
      elements.append((name, Self.attributes(tag.dropFirst(name.count), &problems)))
      if !tag.hasSuffix("/"), !Self.empty.contains(name) { open.append(name) }
      if name == "style", let close = rest.range(of: "</style>") {
        rest = rest[close.lowerBound...]
      }
    }
    if !open.isEmpty { problems.append("not closed: \(open)") }
  }

  /// `key="value"` each.
  private static func attributes(
    _ text: Substring, _ problems: inout [String]
  ) -> [String: String] {
    var result: [String: String] = [:]
    var rest = text
    while let equals = rest.range(of: "=\"") {
      let key = String(rest[..<equals.lowerBound].drop { $0 == " " || $0 == "\n" })
      rest = rest[equals.upperBound...]
      guard let end = rest.firstIndex(of: "\"") else {
        problems.append("an attribute without an end: \(key)")
        return result
      }
      if result[key] != nil { problems.append("twice: \(key)") }
      result[key] = String(rest[..<end])
      rest = rest[rest.index(after: end)...]
    }
    return result
  }

  private mutating func check() {
    let known: Set = [
      "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "nav", "ul",
      "li", "a", "h1", "h2", "h3", "p", "dl", "dt", "dd", "div", "section", "figure", "figcaption",
      "svg", "desc", "text", "path", "rect", "circle", "table", "caption", "thead", "tbody", "tr",
      "th", "td", "details", "summary", "pre", "b",
    ]
    for (name, attributes) in elements {
      if !known.contains(name) { problems.append("<\(name)>") }
      for (key, value) in attributes {
        if ["src", "style", "xlink:href"].contains(key) || key.hasPrefix("on") {
          problems.append("\(name) \(key)=\(value)")
        }
        if key == "href", !value.hasPrefix("#") { problems.append("a link away: \(value)") }
      }
      switch name {
      case "html": if attributes["lang"] != "en" { problems.append("no language") }
      case "th": if attributes["scope"] == nil { problems.append("th without scope") }
      case "svg" where attributes["aria-hidden"] == nil:
        if attributes["role"] != "img" || attributes["aria-labelledby"] == nil {
          problems.append("svg without a name")
        }
      case "div" where attributes["tabindex"] != nil:
        if attributes["aria-label"] == nil { problems.append("a region without a name") }
      default: break
      }
    }
    let ids = elements.compactMap { $0.attributes["id"] }
    let all = Set(ids)
    if all.count != ids.count { problems.append("an id twice: \(ids.sorted())") }
    for (_, attributes) in elements {
      for key in ["aria-labelledby"] {
        for id in (attributes[key] ?? "").split(separator: " ") where !all.contains(String(id)) {
          problems.append("\(key) of nothing: \(id)")
        }
      }
      if let target = attributes["href"], !all.contains(String(target.dropFirst())) {
        problems.append("a link to nothing: \(target)")
      }
    }
    for word in ["url(", "@import", "nan", "inf,"] {
      let styles = elements.flatMap {
        $0.attributes.filter { $0.key == "d" || $0.key == "x" }.values
      }
      if styles.contains(where: { $0.contains(word) }) { problems.append("'\(word)' in a drawing") }
    }
    for scalar in html.unicodeScalars where scalar.value < 0x20 && scalar != "\n" && scalar != "\t"
    {
      problems.append("a control character: \(scalar.value)")
      break
    }
    if html.utf8.count >= 1_000_000 { problems.append("\(html.utf8.count) bytes") }
  }

  func count(_ name: String) -> Int { elements.count { $0.name == name } }
}

extension StringProtocol {
  /// The first place of a text in this one.
  fileprivate func range(of text: String) -> Range<Index>? { firstRange(of: text) }
}
