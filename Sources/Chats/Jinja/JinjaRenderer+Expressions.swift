/// Values of expressions.
extension JinjaRenderer {
  func value(_ expression: JinjaExpression) throws(JinjaError) -> JinjaValue {
    try budget.step()
    return try nested { () throws(JinjaError) in try plainValue(expression) }
  }

  private func plainValue(_ expression: JinjaExpression) throws(JinjaError) -> JinjaValue {
    switch expression {
    case .literal(let value): return value
    case .name(let name): return lookUp(name)
    case .list(let elements): return try budget.made(.list(try elements.values(value)))
    case .mapping(let members):
      let object = try budget.object()
      for (key, member) in members {
        try budget.set(try value(key).text(), of: object, to: try value(member))
      }
      return .object(object)
    case .member(let base, let name): return try member(try value(base), name)
    case .index(let base, let index): return try element(try value(base), try value(index))
    case .slice(let base, let from, let to, let step):
      let base = try value(base)
      try budget.read([base])
      return try budget.made(
        builtins.slice(base, from: bound(from), to: bound(to), step: bound(step) ?? 1))
    case .call(let callee, let arguments): return try call(callee, arguments)
    case .filter(let base, let name, let arguments):
      let values = [try value(base)] + (try arguments.values.values(value))
      try budget.read(values)
      return try budget.made(
        builtins.filter(
          name, values[0], Array(values.dropFirst()), named: try named(arguments)))
    case .test(let base, let name, let arguments):
      let values = [try value(base)] + (try arguments.values(value))
      try budget.read(values)
      return .bool(try builtins.test(name, values[0], Array(values.dropFirst())))
    case .not(let operand): return .bool(!(try value(operand).isTrue))
    case .negative(let operand):
      guard let number = try value(operand).int else { throw .unsupported("minus a text") }
      return .int(0 &- number)
    case .binary(let symbol, let left, let right): return try binary(symbol, left, right)
    case .conditional(let first, let condition, let other):
      if try value(condition).isTrue { return try value(first) }
      return try other.map { (other) throws(JinjaError) in try value(other) } ?? .undefined
    }
  }

  /// Elements of a value that is read as a list.
  func elements(of value: JinjaValue) throws(JinjaError) -> [JinjaValue] {
    try budget.read([value])
    return try value.elements()
  }

  private func bound(_ expression: JinjaExpression?) throws(JinjaError) -> Int? {
    guard let expression else { return nil }
    switch try value(expression) {
    case .none: return nil
    case let value:
      guard let number = value.int else { throw .unsupported("a slice from a text") }
      return number
    }
  }

  private func named(
    _ arguments: JinjaArguments
  ) throws(JinjaError) -> [(key: String, value: JinjaValue)] {
    var result: [(key: String, value: JinjaValue)] = []
    for (name, expression) in arguments.named { result.append((name, try value(expression))) }
    return result
  }

  private func binary(
    _ symbol: String, _ left: JinjaExpression, _ right: JinjaExpression
  ) throws(JinjaError) -> JinjaValue {
    let first = try value(left)
    if symbol == "and" { return first.isTrue ? try value(right) : first }
    if symbol == "or" { return first.isTrue ? first : try value(right) }
    let second = try value(right)
    try budget.read([first, second])
    return try budget.made(builtins.binary(symbol, first, second))
  }

  private func member(_ base: JinjaValue, _ name: String) throws(JinjaError) -> JinjaValue {
    switch base {
    case .object(let object): return object[name] ?? .undefined
    case .undefined: throw .unsupported("a member '\(name)' of a value that is not defined")
    default: return .undefined
    }
  }

  private func element(_ base: JinjaValue, _ index: JinjaValue) throws(JinjaError) -> JinjaValue {
    if case .object(let object) = base, let key = index.string { return object[key] ?? .undefined }
    if case .undefined = base { throw .unsupported("an element of a value that is not defined") }
    guard let number = index.int else { return .undefined }
    let elements = try elements(of: base)
    let place = number < 0 ? elements.count + number : number
    return elements.indices.contains(place) ? elements[place] : .undefined
  }

  private func call(
    _ callee: JinjaExpression, _ arguments: JinjaArguments
  ) throws(JinjaError) -> JinjaValue {
    let values = try arguments.values.values(value)
    let named = try named(arguments)
    if case .member(let base, let name) = callee {
      let base = try value(base)
      if case .object(let object) = base, let found = object[name] {
        return try call(found, values, named)
      }
      try budget.read([base] + values)
      return try budget.made(builtins.method(name, of: base, values))
    }
    return try call(try value(callee), values, named)
  }

  private func call(
    _ callee: JinjaValue, _ values: [JinjaValue], _ named: [(key: String, value: JinjaValue)]
  ) throws(JinjaError) -> JinjaValue {
    switch callee {
    case .macro(let macro): return try budget.made(.string(expand(macro, values, named)))
    case .function("raise_exception"): throw .refused(try values.first?.text() ?? "")
    case .function("namespace"), .function("dict"):
      let object = try budget.object()
      for (key, value) in named { try budget.set(key, of: object, to: value) }
      return .object(object)
    case .function("range"): return try budget.made(builtins.range(values))
    default: throw .unsupported("a call of a function that is not known")
    }
  }
}

extension Array where Element == JinjaExpression {
  /// The values of all expressions.
  fileprivate func values(
    _ value: (JinjaExpression) throws(JinjaError) -> JinjaValue
  ) throws(JinjaError) -> [JinjaValue] {
    var values: [JinjaValue] = []
    for expression in self { values.append(try value(expression)) }
    return values
  }
}
