/// Tests and filters.
extension JinjaBuiltins {
  func test(
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
      return try equal(value, other)
    case ("in", _):
      guard let whole = arguments.first else { throw .unsupported("'in' of nothing") }
      return try contains(whole, value)
    default: throw .unsupported("the test '\(name)'")
    }
  }

  func filter(
    _ name: String, _ value: JinjaValue, _ arguments: [JinjaValue],
    named: [(key: String, value: JinjaValue)]
  ) throws(JinjaError) -> JinjaValue {
    switch name {
    case "trim": return .string(Self.strip(try value.text(), arguments.first?.string, .both))
    case "string": return .string(try value.text())
    case "upper": return .string(try value.text().uppercased())
    case "lower": return .string(try value.text().lowercased())
    case "length", "count":
      if let text = value.string { return .int(text.count) }
      return .int(try value.elements().count)
    case "list": return .list(try value.elements())
    case "first": return try value.elements().first ?? .undefined
    case "last": return try value.elements().last ?? .undefined
    case "default", "d":
      let isReplaced = !value.isDefined || arguments.count > 1 && !value.isTrue
      return isReplaced ? arguments.first ?? .string("") : value
    case "join": return .string(try joined(value.elements(), arguments.first?.string ?? ""))
    case "replace": return try method("replace", of: value, arguments)
    case "selectattr", "rejectattr":
      return try select(value, arguments, keeps: name == "selectattr")
    default: throw .unsupported("the filter '\(name)'")
    }
  }

  private func joined(
    _ elements: [JinjaValue], _ separator: String
  ) throws(JinjaError) -> String {
    var text = ""
    for (index, element) in elements.enumerated() {
      if index > 0 { text += separator }
      text += try element.text()
      // Before the next two are added, each of which is no longer than a text may be.
      try JinjaBudget.check(textBytes: text.utf8.count)
    }
    return text
  }

  private func select(
    _ value: JinjaValue, _ arguments: [JinjaValue], keeps: Bool
  ) throws(JinjaError) -> JinjaValue {
    guard let key = arguments.first?.string else { throw .unsupported("a selection by no name") }
    var chosen: [JinjaValue] = []
    for element in try value.elements() {
      guard case .object(let object) = element else { throw .unsupported("a selection of texts") }
      let member = object[key] ?? .undefined
      try budget.read([element, member])
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
}
