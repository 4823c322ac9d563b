import Reports

/// HTML or SVG that is safe to put into a page: everything that is text of a file went through
/// `init(text:)` or an attribute.
struct Markup: Hashable, Sendable, ExpressibleByStringInterpolation {
  private(set) var source: String

  /// Markup that stands in this program's source.
  init(stringLiteral value: String) { source = value }

  init(stringInterpolation: Interpolation) { source = stringInterpolation.source }

  /// Text of this program, as it is.
  init(trusted source: String) { self.source = source }

  /// Text with what HTML gives a meaning, and characters that no document may have, spelled out.
  init(text: String) { source = Self.escaped(text) }

  static let empty = Markup(text: "")

  static func + (left: Markup, right: Markup) -> Markup {
    var sum = left
    sum += right
    return sum
  }

  static func += (left: inout Markup, right: Markup) { left.source += right.source }

  /// An element; attributes without a value are left out.
  static func element(
    _ name: StaticString, _ attributes: KeyValuePairs<StaticString, String?> = [:],
    _ content: Markup? = nil
  ) -> Markup {
    var markup = Markup.empty
    markup.source += "<\(name)"
    for (key, value) in attributes {
      guard let value else { continue }
      markup.source += " \(key)=\"\(escaped(value))\""
    }
    guard let content else {
      markup.source += "/>"
      return markup
    }
    markup.source += ">\(content.source)</\(name)>"
    return markup
  }

  /// Control characters and what turns the direction of text become visible ones: a text of a model
  /// or a file name must not look like another.
  private static func escaped(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\n", "\t": result.unicodeScalars.append(scalar)
      default:
        let isHidden =
          switch scalar.value {
          case 0..<0x20, 0x7F..<0xA0, 0x200E...0x200F, 0x202A...0x202E, 0x2066...0x2069,
            0xFDD0...0xFDEF:
            true
          default: scalar.value & 0xFFFE == 0xFFFE
          }
        result.unicodeScalars.append(isHidden ? "\u{FFFD}" : scalar)
      }
    }
    return result
  }

  /// Text in an interpolation is escaped; markup and numbers are not.
  struct Interpolation: StringInterpolationProtocol {
    fileprivate var source = ""

    init(literalCapacity: Int, interpolationCount: Int) { source.reserveCapacity(literalCapacity) }

    mutating func appendLiteral(_ literal: String) { source += literal }
    mutating func appendInterpolation(_ markup: Markup) { source += markup.source }
    mutating func appendInterpolation(_ text: String) { source += Markup.escaped(text) }
    mutating func appendInterpolation(_ number: Int) { source += String(number) }
  }
}

extension Sequence<Markup> {
  func joined(_ separator: Markup = .empty) -> Markup {
    var sum = Markup.empty
    for (index, part) in enumerated() {
      if index > 0 { sum += separator }
      sum += part
    }
    return sum
  }
}
