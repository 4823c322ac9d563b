/// Operators, filters, tests and methods that chat templates use, with Python's meaning.
enum JinjaBuiltins {
  static func binary(
    _ symbol: String, _ a: JinjaValue, _ b: JinjaValue
  ) throws(JinjaError) -> JinjaValue {
    switch symbol {
    case "==": return .bool(JinjaValue.equal(a, b))
    case "!=": return .bool(!JinjaValue.equal(a, b))
    case "in": return .bool(try contains(b, a))
    case "~": return .string(try a.text() + b.text())
    case "+":
      if case .string(let a) = a, case .string(let b) = b { return .string(a + b) }
      if case .list(let a) = a, case .list(let b) = b { return .list(a + b) }
    default: break
    }
    if case .string(let a) = a, case .string(let b) = b, "<>".contains(symbol.prefix(1)) {
      return .bool(ordered(symbol, a, b))
    }
    guard let a = a.int, let b = b.int else {
      throw .unsupported("'\(symbol)' between values of different kinds")
    }
    return try integer(symbol, a, b)
  }

  private static func integer(
    _ symbol: String, _ a: Int, _ b: Int
  ) throws(JinjaError) -> JinjaValue {
    switch symbol {
    case "+": return .int(a &+ b)
    case "-": return .int(a &- b)
    case "*": return .int(a &* b)
    case "//" where b > 0: return .int(a >= 0 ? a / b : -((-a + b - 1) / b))
    case "%" where b > 0: return .int((a % b + b) % b)
    case "<", ">", "<=", ">=": return .bool(ordered(symbol, a, b))
    default: throw .unsupported("'\(symbol)' between numbers")
    }
  }

  private static func ordered<Value: Comparable>(_ symbol: String, _ a: Value, _ b: Value) -> Bool {
    switch symbol {
    case "<": a < b
    case ">": a > b
    case "<=": a <= b
    default: a >= b
    }
  }

  private static func contains(
    _ whole: JinjaValue, _ part: JinjaValue
  ) throws(JinjaError) -> Bool {
    switch whole {
    case .string(let text):
      guard let part = part.string else { throw .unsupported("'in' a text for what is no text") }
      return part.isEmpty || text.contains(part)
    case .list(let elements): return elements.contains { JinjaValue.equal($0, part) }
    case .object(let object): return part.string.map { object[$0] != nil } ?? false
    case .undefined: return false
    default: throw .unsupported("'in' a value that holds nothing")
    }
  }

  static func slice(
    _ base: JinjaValue, from: Int?, to: Int?, step: Int
  ) throws(JinjaError) -> JinjaValue {
    let elements = try base.elements()
    guard step != 0 else { throw .unsupported("a slice of step 0") }
    let count = elements.count
    func place(_ bound: Int?, _ usual: Int, _ range: ClosedRange<Int>) -> Int {
      guard let bound else { return usual }
      return min(max(bound < 0 ? bound &+ count : bound, range.lowerBound), range.upperBound)
    }
    let chosen =
      step > 0
      ? stride(from: place(from, 0, 0...count), to: place(to, count, 0...count), by: step)
      : stride(
        from: place(from, count - 1, -1...max(-1, count - 1)),
        to: place(to, -1, -1...max(-1, count - 1)), by: max(step, -(1 << 30)))
    let parts = chosen.map { elements[$0] }
    if case .string = base { return .string(parts.compactMap(\.string).joined()) }
    return .list(parts)
  }

  static func range(_ values: [JinjaValue]) throws(JinjaError) -> JinjaValue {
    let numbers = values.compactMap(\.int)
    guard numbers.count == values.count, (1...2).contains(numbers.count) else {
      throw .unsupported("a range of other than one or two numbers")
    }
    let (first, end) = numbers.count == 1 ? (0, numbers[0]) : (numbers[0], numbers[1])
    guard end <= first || end.subtractingReportingOverflow(first).partialValue <= 10_000,
      abs(first.magnitude.distance(to: end.magnitude)) <= 1 << 40
    else { throw .limit("a range of more than 10,000 numbers") }
    return .list(end <= first ? [] : (first..<end).map { .int($0) })
  }
}

extension JinjaBuiltins {
  static func test(
    _ name: String, _ value: JinjaValue, _ arguments: [JinjaValue]
  ) throws(JinjaError) -> Bool {
    switch (name, value) {
    case ("defined", _): return value.isDefined
    case ("undefined", _): return !value.isDefined
    case ("none", .none), ("string", .string), ("mapping", .object), ("boolean", .bool),
      ("number", .int), ("number", .double), ("integer", .int), ("sequence", .list),
      ("sequence", .string), ("sequence", .object), ("iterable", .list), ("iterable", .string),
      ("iterable", .object), ("true", .bool(true)), ("false", .bool(false)):
      return true
    case ("none", _), ("string", _), ("mapping", _), ("boolean", _), ("number", _), ("integer", _),
      ("sequence", _), ("iterable", _), ("true", _), ("false", _):
      return false
    case ("odd", _), ("even", _):
      guard let number = value.int else { throw .unsupported("the test '\(name)' of a text") }
      return (number & 1 == 1) == (name == "odd")
    case ("equalto", _), ("eq", _), ("sameas", _):
      guard let other = arguments.first else { throw .unsupported("'\(name)' of nothing") }
      return JinjaValue.equal(value, other)
    case ("in", _):
      guard let whole = arguments.first else { throw .unsupported("'in' of nothing") }
      return try contains(whole, value)
    default: throw .unsupported("the test '\(name)'")
    }
  }

  static func filter(
    _ name: String, _ value: JinjaValue, _ arguments: [JinjaValue],
    named: [(key: String, value: JinjaValue)]
  ) throws(JinjaError) -> JinjaValue {
    switch name {
    case "trim": return .string(strip(try value.text(), arguments.first?.string, .both))
    case "string": return .string(try value.text())
    case "upper": return .string(try value.text().uppercased())
    case "lower": return .string(try value.text().lowercased())
    case "length", "count": return .int(try value.elements().count)
    case "list": return .list(try value.elements())
    case "first": return try value.elements().first ?? .undefined
    case "last": return try value.elements().last ?? .undefined
    case "default", "d":
      let isReplaced = !value.isDefined || arguments.count > 1 && !value.isTrue
      return isReplaced ? arguments.first ?? .string("") : value
    case "join":
      var parts: [String] = []
      for element in try value.elements() { parts.append(try element.text()) }
      return .string(parts.joined(separator: arguments.first?.string ?? ""))
    case "replace": return try method("replace", of: value, arguments)
    case "selectattr", "rejectattr":
      return try select(value, arguments, keeps: name == "selectattr")
    default: throw .unsupported("the filter '\(name)'")
    }
  }

  private static func select(
    _ value: JinjaValue, _ arguments: [JinjaValue], keeps: Bool
  ) throws(JinjaError) -> JinjaValue {
    guard let key = arguments.first?.string else { throw .unsupported("a selection by no name") }
    var chosen: [JinjaValue] = []
    for element in try value.elements() {
      guard case .object(let object) = element else { throw .unsupported("a selection of texts") }
      let member = object[key] ?? .undefined
      let fits =
        arguments.count == 1
        ? member.isTrue
        : try test(
          arguments[1].string == "==" ? "equalto" : arguments[1].string ?? "", member,
          Array(arguments.dropFirst(2)))
      if fits == keeps { chosen.append(element) }
    }
    return .list(chosen)
  }

  static func method(
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

  private static func method(
    _ name: String, of text: String, _ arguments: [JinjaValue]
  ) throws(JinjaError) -> JinjaValue {
    let first = arguments.first?.string
    switch name {
    case "strip": return .string(strip(text, first, .both))
    case "lstrip": return .string(strip(text, first, .left))
    case "rstrip": return .string(strip(text, first, .right))
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
      let parts = text.split(separator: first, omittingEmptySubsequences: false)
      return .list(parts.map { .string(String($0)) })
    default: throw .unsupported("the method '\(name)'")
    }
  }

  private static func replaced(
    _ text: String, _ old: String, by new: String
  ) throws(JinjaError) -> String {
    let parts = text.split(separator: old, omittingEmptySubsequences: false)
    guard text.utf8.count + parts.count * new.utf8.count <= JinjaRenderer.textLimit else {
      throw .limit("a text of more than 1 MiB")
    }
    return parts.joined(separator: new)
  }

  private enum Side {
    case left, right, both
  }

  /// Python's `strip`: of white space, or of any of the given characters.
  private static func strip(_ text: String, _ characters: String?, _ side: Side) -> String {
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
