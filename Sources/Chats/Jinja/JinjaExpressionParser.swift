/// Parses the tokens of one tag.
struct JinjaExpressionParser {
  private let tokens: [JinjaToken]
  private var position = 0
  private var depth = 0
  private static let depthLimit = 64

  init(_ tokens: [JinjaToken]) { self.tokens = tokens }

  var next: JinjaToken? { position < tokens.count ? tokens[position] : nil }
  var isAtEnd: Bool { position == tokens.count }

  mutating func take(_ symbol: String) -> Bool {
    guard next == .symbol(symbol) else { return false }
    position += 1
    return true
  }

  mutating func takeWord(_ word: String) -> Bool {
    guard next == .name(word) else { return false }
    position += 1
    return true
  }

  mutating func name() throws(JinjaError) -> String {
    guard case .name(let name)? = next else { throw .unsupported("a tag without a name") }
    position += 1
    return name
  }

  mutating func expect(_ symbol: String) throws(JinjaError) {
    guard take(symbol) else { throw .unsupported("a tag without '\(symbol)'") }
  }

  mutating func end() throws(JinjaError) {
    guard isAtEnd else { throw .unsupported("more than one expression in a tag") }
  }

  mutating func expression() throws(JinjaError) -> JinjaExpression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else { throw .limit("expressions nested too deep") }
    let value = try or()
    guard takeWord("if") else { return value }
    let condition = try or()
    let other = takeWord("else") ? try expression() : nil
    return .conditional(value, if: condition, else: other)
  }

  /// An expression without "if", as in `for … in … if …`.
  mutating func or() throws(JinjaError) -> JinjaExpression {
    var left = try and()
    while takeWord("or") { left = .binary("or", left, try and()) }
    return left
  }

  private mutating func and() throws(JinjaError) -> JinjaExpression {
    var left = try not()
    while takeWord("and") { left = .binary("and", left, try not()) }
    return left
  }

  private mutating func not() throws(JinjaError) -> JinjaExpression {
    var count = 0
    while takeWord("not") { count += 1 }
    let value = try comparison()
    return (0..<count).reduce(value) { value, _ in .not(value) }
  }

  private mutating func comparison() throws(JinjaError) -> JinjaExpression {
    var left = try sum()
    while true {
      if case .symbol(let symbol)? = next, ["==", "!=", "<", ">", "<=", ">="].contains(symbol) {
        position += 1
        left = .binary(symbol, left, try sum())
      } else if takeWord("in") {
        left = .binary("in", left, try sum())
      } else if next == .name("not"), position + 1 < tokens.count,
        tokens[position + 1] == .name("in")
      {
        position += 2
        left = .not(.binary("in", left, try sum()))
      } else {
        return left
      }
    }
  }

  private mutating func sum() throws(JinjaError) -> JinjaExpression {
    var left = try product()
    while case .symbol(let symbol)? = next, ["+", "-", "~"].contains(symbol) {
      position += 1
      left = .binary(symbol, left, try product())
    }
    return left
  }

  private mutating func product() throws(JinjaError) -> JinjaExpression {
    var left = try unary()
    while case .symbol(let symbol)? = next, ["*", "/", "//", "%"].contains(symbol) {
      position += 1
      left = .binary(symbol, left, try unary())
    }
    return left
  }

  private mutating func unary() throws(JinjaError) -> JinjaExpression {
    if take("-") { return .negative(try filtered()) }
    return try filtered()
  }

  /// A value with its filters and tests.
  private mutating func filtered() throws(JinjaError) -> JinjaExpression {
    var value = try postfix(try primary())
    while true {
      if take("|") {
        let filter = try name()
        let arguments = take("(") ? try self.arguments() : JinjaArguments()
        value = try postfix(.filter(value, filter, arguments))
      } else if takeWord("is") {
        let isNegated = takeWord("not")
        value = try test(of: value)
        if isNegated { value = .not(value) }
      } else {
        return value
      }
    }
  }

  private mutating func test(of value: JinjaExpression) throws(JinjaError) -> JinjaExpression {
    let test = try name()
    if take("(") { return .test(value, test, try arguments().values) }
    guard ["equalto", "eq", "sameas", "in", "divisibleby"].contains(test) else {
      return .test(value, test, [])
    }
    return .test(value, test, [try postfix(try primary())])
  }

  private mutating func postfix(
    _ start: JinjaExpression
  ) throws(JinjaError) -> JinjaExpression {
    var value = start
    while true {
      if take(".") {
        value = .member(value, try name())
      } else if take("(") {
        value = .call(value, try arguments())
      } else if take("[") {
        value = try subscripted(value)
      } else {
        return value
      }
    }
  }

  private mutating func subscripted(
    _ value: JinjaExpression
  ) throws(JinjaError) -> JinjaExpression {
    var parts: [JinjaExpression?] = []
    while true {
      let isEmpty = next == .symbol(":") || next == .symbol("]")
      parts.append(isEmpty ? nil : try expression())
      if !take(":") { break }
    }
    try expect("]")
    switch parts.count {
    case 1:
      guard let index = parts[0] else { throw .unsupported("an empty index") }
      return .index(value, index)
    case 2: return .slice(value, parts[0], parts[1], nil)
    case 3: return .slice(value, parts[0], parts[1], parts[2])
    default: throw .unsupported("an index of more than three parts")
    }
  }

  /// Arguments behind an opening parenthesis.
  private mutating func arguments() throws(JinjaError) -> JinjaArguments {
    var arguments = JinjaArguments()
    while !take(")") {
      if case .name(let key)? = next, position + 1 < tokens.count,
        tokens[position + 1] == .symbol("=")
      {
        position += 2
        arguments.named.append((key, try expression()))
      } else {
        arguments.values.append(try expression())
      }
      if !take(","), next != .symbol(")") { throw .unsupported("arguments without a comma") }
    }
    return arguments
  }

  private mutating func primary() throws(JinjaError) -> JinjaExpression {
    guard let token = next else { throw .unsupported("a tag without an expression") }
    position += 1
    switch token {
    case .string(let text):
      // Strings that stand side by side are one.
      var text = text
      while case .string(let more)? = next {
        text += more
        position += 1
      }
      return .literal(.string(text))
    case .int(let value): return .literal(.int(value))
    case .double(let value): return .literal(.double(value))
    case .name("true"), .name("True"): return .literal(.bool(true))
    case .name("false"), .name("False"): return .literal(.bool(false))
    case .name("none"), .name("None"): return .literal(.none)
    case .name(let name): return .name(name)
    case .symbol("("):
      let first = try expression()
      guard take(",") else {
        try expect(")")
        return first
      }
      return .list([first] + (try elements(until: ")")))
    case .symbol("["): return .list(try elements(until: "]"))
    case .symbol("{"): return .mapping(try members())
    case .symbol(let symbol): throw .unsupported("'\(symbol)' where an expression begins")
    }
  }

  private mutating func elements(until end: String) throws(JinjaError) -> [JinjaExpression] {
    var elements: [JinjaExpression] = []
    while !take(end) {
      elements.append(try expression())
      if !take(","), next != .symbol(end) { throw .unsupported("a list without a comma") }
    }
    return elements
  }

  private mutating func members() throws(JinjaError) -> [(JinjaExpression, JinjaExpression)] {
    var members: [(JinjaExpression, JinjaExpression)] = []
    while !take("}") {
      let key = try expression()
      try expect(":")
      members.append((key, try expression()))
      if !take(","), next != .symbol("}") { throw .unsupported("a mapping without a comma") }
    }
    return members
  }
}
