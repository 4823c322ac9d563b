/// Renders a parsed template, within the bounds of a budget.
final class JinjaRenderer {
  /// Why a loop's body ended early.
  private enum Jump {
    case leave, skip
  }

  let budget = JinjaBudget()
  let builtins: JinjaBuiltins
  private var output = ""
  private var scopes: [[String: JinjaValue]]
  private var depth = 0
  private static let depthLimit = 64

  private init(_ variables: [String: JinjaValue]) {
    builtins = JinjaBuiltins(budget: budget)
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

  private func run(_ nodes: [JinjaNode]) throws(JinjaError) -> Jump? {
    for node in nodes {
      try budget.step()
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

  private func print(_ text: String) throws(JinjaError) {
    try budget.spend(text.utf8.count)
    try JinjaBudget.check(textBytes: output.utf8.count + text.utf8.count)
    output += text
  }

  private func branch(
    _ branches: [(condition: JinjaExpression, body: [JinjaNode])], _ otherwise: [JinjaNode]
  ) throws(JinjaError) -> Jump? {
    for branch in branches where try value(branch.condition).isTrue { return try run(branch.body) }
    return try run(otherwise)
  }

  private func run(_ loop: JinjaLoop) throws(JinjaError) {
    var elements: [JinjaValue] = []
    for element in try self.elements(of: value(loop.elements)) {
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
      try budget.step()
      scopes.append([:])
      defer { scopes.removeLast() }
      try bind(loop.names, to: element)
      scopes[scopes.count - 1]["loop"] = try state(index, elements)
      if try run(loop.body) == .leave { break }
    }
  }

  /// The variable `loop`.
  private func state(_ index: Int, _ elements: [JinjaValue]) throws(JinjaError) -> JinjaValue {
    let last = elements.count - 1
    return .object(
      try budget.object([
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
      try budget.set(member, of: object, to: value)
    }
  }

  private func captured(_ body: [JinjaNode]) throws(JinjaError) -> String {
    let before = output
    output = ""
    defer { output = before }
    _ = try run(body)
    return output
  }

  func lookUp(_ name: String) -> JinjaValue {
    for scope in scopes.reversed() { if let value = scope[name] { return value } }
    return .undefined
  }

  /// Runs what is a level deeper in an expression.
  func nested<Value>(
    _ body: () throws(JinjaError) -> Value
  ) throws(JinjaError) -> Value {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 4 * Self.depthLimit else { throw .limit("expressions nested too deep") }
    return try body()
  }

  /// What a macro prints.
  func expand(
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
