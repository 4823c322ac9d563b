/// Methods of texts and mappings.
extension JinjaBuiltins {
  func method(
    _ name: String, of value: JinjaValue, _ arguments: [JinjaValue]
  ) throws(JinjaError) -> JinjaValue {
    switch value {
    case .string(let text): return try method(name, of: text, arguments)
    case .object(let object):
      switch name {
      case "items":
        return .list(object.members.map { .list([.string($0.key), $0.value]) })
      case "keys": return .list(object.members.map { .string($0.key) })
      case "values": return .list(object.members.map(\.value))
      case "get":
        let found = arguments.first?.string.flatMap { object[$0] }
        return found ?? (arguments.count > 1 ? arguments[1] : .none)
      default: break
      }
    default: break
    }
    throw .unsupported("the method '\(name)'")
  }

  private func method(
    _ name: String, of text: String, _ arguments: [JinjaValue]
  ) throws(JinjaError) -> JinjaValue {
    let first = arguments.first?.string
    switch name {
    case "strip": return .string(Self.strip(text, first, .both))
    case "lstrip": return .string(Self.strip(text, first, .left))
    case "rstrip": return .string(Self.strip(text, first, .right))
    case "upper": return .string(text.uppercased())
    case "lower": return .string(text.lowercased())
    case "startswith": return .bool(first.map { text.hasPrefix($0) } ?? false)
    case "endswith": return .bool(first.map { text.hasSuffix($0) } ?? false)
    case "replace":
      guard arguments.count == 2, let first, !first.isEmpty, let new = arguments[1].string else {
        throw .unsupported("'replace' with other than two texts")
      }
      return .string(try replaced(text, first, by: new))
    case "split":
      guard arguments.count == 1, let first, !first.isEmpty else {
        throw .unsupported("'split' by other than one text")
      }
      let parts = text.split(
        separator: first, maxSplits: JinjaBudget.listLimit, omittingEmptySubsequences: false)
      return .list(parts.map { .string(String($0)) })
    default: throw .unsupported("the method '\(name)'")
    }
  }

  private func replaced(
    _ text: String, _ old: String, by new: String
  ) throws(JinjaError) -> String {
    let parts = text.split(separator: old, omittingEmptySubsequences: false)
    try JinjaBudget.check(textBytes: text.utf8.count + (parts.count - 1) * new.utf8.count)
    return parts.joined(separator: new)
  }

  /// Which ends of a text.
  enum Side {
    case left, right, both
  }

  /// Python's `strip`: of white space, or of any of the given characters.
  static func strip(_ text: String, _ characters: String?, _ side: Side) -> String {
    let set = characters.map { Set($0.unicodeScalars) }
    func goes(_ scalar: Unicode.Scalar) -> Bool {
      set?.contains(scalar) ?? scalar.properties.isWhitespace
    }
    var scalars = Substring(text).unicodeScalars
    if side != .right { scalars = scalars.drop(while: goes) }
    if side != .left { while let last = scalars.last, goes(last) { scalars.removeLast() } }
    return String(scalars)
  }
}
