/// Places for messages and tokens in a template's texts.
enum Placeholders {
  private static let names = ["{content}", "{system}", "{bos}", "{eos}"]

  /// A form taken apart at its places and at the given spellings.
  static func parts(of form: String, _ spellings: [String]) -> [String] {
    var parts: [String] = []
    var text = ""
    var rest = Substring(form)
    while let first = rest.first {
      if let found = (names + spellings).first(where: { rest.hasPrefix($0) }) {
        if !text.isEmpty { parts.append(text) }
        text = ""
        parts.append(found)
        rest = rest.dropFirst(found.count)
      } else {
        text.append(first)
        rest = rest.dropFirst()
      }
    }
    return text.isEmpty ? parts : parts + [text]
  }

  /// A form with its places filled; what fills one place is not searched for others.
  static func replace(_ form: String, _ values: [String: String]) -> String {
    parts(of: form, []).map { values[$0] ?? $0 }.joined()
  }
}
