/// Renders a parsed template. Steps and text are bounded, so that a hostile template ends.
final class JinjaRenderer {
  /// Why a loop's body ended early.
  private enum Jump {
    case leave, skip
  }

  private var output = ""
  private var scopes: [[String: JinjaValue]]
  private var steps = 0
  private var depth = 0
  private static let stepLimit = 200_000
  private static let depthLimit = 64
  static let textLimit = 1 << 20

  private init(_ variables: [String: JinjaValue]) {
    var globals = variables
    for name in ["raise_exception", "namespace", "range", "dict"] {
      globals[name] = .function(name)
    }
    scopes = [globals]
  }

  /// The template's text with the given variables.
  /// - Throws: `JinjaError`.
  static func text(
    _ template: JinjaTemplate, _ variables: [String: JinjaValue]
  ) throws(JinjaError) -> String {
    let renderer = JinjaRenderer(variables)
    _ = try renderer.run(template.nodes)
    return renderer.output
  }

  private func count() throws(JinjaError) {
    steps += 1
    guard steps <= Self.stepLimit else { throw .limit("more than \(Self.stepLimit) steps") }
  }

  private func bounded(_ text: String) throws(JinjaError) -> String {
    guard text.utf8.count <= Self.textLimit else { throw .limit("a text of more than 1 MiB") }
    return text
  }

  // MARK: statements

  private func run(_ nodes: [JinjaNode]) throws(JinjaError) -> Jump? {
    for node in nodes {
      try count()
      switch node {
      case .text(let text): try print(text)
      case .output(let expression): try print(try value(expression).text())
      case .branch(let branches, let otherwise):
        if let jump = try branch(branches, otherwise) { return jump }
      case .loop(let loop): try run(loop)
      case .set(let targets, let expression): try set(targets, try value(expression))
      case .capture(let target, let body): try set([target], .string(try captured(body)))
      case .macro(let name, let macro): scopes[scopes.count - 1][name] = .macro(macro)
      case .leave: return .leave
      case .skip: return .skip
      }
    }
    return nil
  }

  private func print(_ text: String) throws(JinjaError) { output = try bounded(output + text) }

  private func branch(
    _ branches: [(condition: JinjaExpression, body: [JinjaNode])], _ otherwise: [JinjaNode]
  ) throws(JinjaError) -> Jump? {
    for branch in branches where try value(branch.condition).isTrue { return try run(branch.body) }
    return try run(otherwise)
  }

  private func run(_ loop: JinjaLoop) throws(JinjaError) {
    var elements: [JinjaValue] = []
    for element in try value(loop.elements).elements() {
      guard let condition = loop.condition else {
        elements.append(element)
        continue
      }
      scopes.append([:])
      defer { scopes.removeLast() }
      try bind(loop.names, to: element)
      if try value(condition).isTrue { elements.append(element) }
    }
    if elements.isEmpty { _ = try run(loop.otherwise) }
    for (index, element) in elements.enumerated() {
      try count()
      scopes.append([:])
      defer { scopes.removeLast() }
      try bind(loop.names, to: element)
      scopes[scopes.count - 1]["loop"] = Self.state(index, elements)
      if try run(loop.body) == .leave { break }
    }
  }

  /// The variable `loop`.
  private static func state(_ index: Int, _ elements: [JinjaValue]) -> JinjaValue {
    let last = elements.count - 1
    return .object(
      JinjaObject([
        ("index", .int(index + 1)), ("index0", .int(index)), ("first", .bool(index == 0)),
        ("last", .bool(index == last)), ("length", .int(elements.count)),
        ("revindex", .int(elements.count - index)), ("revindex0", .int(last - index)),
        ("previtem", index > 0 ? elements[index - 1] : .undefined),
        ("nextitem", index < last ? elements[index + 1] : .undefined),
      ]))
  }

  private func bind(_ names: [String], to value: JinjaValue) throws(JinjaError) {
    guard names.count > 1 else {
      scopes[scopes.count - 1][names[0]] = value
      return
    }
    guard case .list(let parts) = value, parts.count == names.count else {
      throw .unsupported("a loop with several names over single values")
    }
    for (name, part) in zip(names, parts) { scopes[scopes.count - 1][name] = part }
  }

  private func set(_ targets: [JinjaTarget], _ value: JinjaValue) throws(JinjaError) {
    var values = [value]
    if targets.count > 1 {
      guard case .list(let parts) = value, parts.count == targets.count else {
        throw .unsupported("setting several names to one value")
      }
      values = parts
    }
    for (target, value) in zip(targets, values) {
      guard let member = target.member else {
        scopes[scopes.count - 1][target.name] = value
        continue
      }
      guard case .object(let object) = lookUp(target.name) else {
        throw .unsupported("setting a member of '\(target.name)', which is no namespace")
      }
      object[member] = value
    }
  }

  private func captured(_ body: [JinjaNode]) throws(JinjaError) -> String {
    let before = output
    output = ""
    defer { output = before }
    _ = try run(body)
    return output
  }

  private func lookUp(_ name: String) -> JinjaValue {
    for scope in scopes.reversed() { if let value = scope[name] { return value } }
    return .undefined
  }

  // MARK: expressions

  private func value(_ expression: JinjaExpression) throws(JinjaError) -> JinjaValue {
    try count()
    depth += 1
    defer { depth -= 1 }
    guard depth <= 4 * Self.depthLimit else { throw .limit("expressions nested too deep") }
    switch expression {
    case .literal(let value): return value
    case .name(let name): return lookUp(name)
    case .list(let elements): return .list(try elements.values(value))
    case .mapping(let members):
      let object = JinjaObject()
      for (key, member) in members { object[try value(key).text()] = try value(member) }
      return .object(object)
    case .member(let base, let name): return try member(try value(base), name)
    case .index(let base, let index): return try element(try value(base), try value(index))
    case .slice(let base, let from, let to, let step):
      return try JinjaBuiltins.slice(
        try value(base), from: try bound(from), to: try bound(to), step: try bound(step) ?? 1)
    case .call(let callee, let arguments): return try call(callee, arguments)
    case .filter(let base, let name, let arguments):
      return try JinjaBuiltins.filter(
        name, try value(base), try arguments.values.values(value),
        named: try named(arguments))
    case .test(let base, let name, let arguments):
      return .bool(
        try JinjaBuiltins.test(name, try value(base), try arguments.values(value)))
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
    let result = try JinjaBuiltins.binary(symbol, first, try value(right))
    if case .string(let text) = result { return .string(try bounded(text)) }
    return result
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
    let elements = try base.elements()
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
      return try JinjaBuiltins.method(name, of: base, values)
    }
    return try call(try value(callee), values, named)
  }

  private func call(
    _ callee: JinjaValue, _ values: [JinjaValue], _ named: [(key: String, value: JinjaValue)]
  ) throws(JinjaError) -> JinjaValue {
    switch callee {
    case .macro(let macro): return .string(try expand(macro, values, named))
    case .function("raise_exception"): throw .refused(try values.first?.text() ?? "")
    case .function("namespace"), .function("dict"): return .object(JinjaObject(named))
    case .function("range"): return try JinjaBuiltins.range(values)
    default: throw .unsupported("a call of a function that is not known")
    }
  }

  private func expand(
    _ macro: JinjaMacro, _ values: [JinjaValue], _ named: [(key: String, value: JinjaValue)]
  ) throws(JinjaError) -> String {
    var scope: [String: JinjaValue] = [:]
    for (index, parameter) in macro.parameters.enumerated() {
      if index < values.count {
        scope[parameter.name] = values[index]
      } else if let given = named.first(where: { $0.key == parameter.name }) {
        scope[parameter.name] = given.value
      } else {
        scope[parameter.name] =
          try parameter.value.map { (expression) throws(JinjaError) in
            try value(expression)
          } ?? .undefined
      }
    }
    depth += 1
    scopes.append(scope)
    defer {
      depth -= 1
      scopes.removeLast()
    }
    guard depth <= Self.depthLimit else { throw .limit("macros nested too deep") }
    return try captured(macro.body)
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
