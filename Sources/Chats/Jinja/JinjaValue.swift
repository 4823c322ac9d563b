/// A value of a Jinja template.
indirect enum JinjaValue {
  case undefined, none
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case list([JinjaValue])
  case object(JinjaObject)
  case macro(JinjaMacro)
  /// A function of the environment.
  case function(String)
}

/// The members of a mapping or namespace, shared by all that hold it.
final class JinjaObject {
  var members: [(key: String, value: JinjaValue)]

  init(_ members: [(key: String, value: JinjaValue)] = []) { self.members = members }

  subscript(key: String) -> JinjaValue? {
    get { members.first { $0.key == key }?.value }
    set {
      members.removeAll { $0.key == key && newValue == nil }
      guard let newValue else { return }
      if let index = members.firstIndex(where: { $0.key == key }) {
        members[index].value = newValue
      } else {
        members.append((key, newValue))
      }
    }
  }
}

/// A macro: parameters with their defaults, and what it prints.
final class JinjaMacro {
  let parameters: [(name: String, value: JinjaExpression?)]
  let body: [JinjaNode]

  init(_ parameters: [(name: String, value: JinjaExpression?)], _ body: [JinjaNode]) {
    self.parameters = parameters
    self.body = body
  }
}

extension JinjaValue {
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .int(let value): value != 0
    case .double(let value): value != 0
    case .string(let value): !value.isEmpty
    case .list(let value): !value.isEmpty
    case .object(let value): !value.members.isEmpty
    case .macro, .function: true
    }
  }

  var isDefined: Bool { if case .undefined = self { false } else { true } }

  var string: String? { if case .string(let value) = self { value } else { nil } }

  var int: Int? {
    switch self {
    case .int(let value): value
    case .bool(let value): value ? 1 : 0
    default: nil
    }
  }

  /// The value as `{{ }}` prints it.
  /// - Throws: `JinjaError.unsupported` for lists and mappings, whose spelling is Python's own.
  func text() throws(JinjaError) -> String {
    switch self {
    case .undefined: ""
    case .none: "None"
    case .bool(let value): value ? "True" : "False"
    case .int(let value): "\(value)"
    case .string(let value): value
    case .double, .list, .object, .macro, .function:
      throw .unsupported("printing a value that is no text")
    }
  }

  /// Elements of a list, keys of a mapping, characters of a text.
  func elements() throws(JinjaError) -> [JinjaValue] {
    switch self {
    case .list(let value): return value
    case .object(let value): return value.members.map { .string($0.key) }
    case .string(let value):
      try JinjaBudget.check(elements: value.utf8.count)
      return value.map { .string(String($0)) }
    case .undefined: return []
    default: throw .unsupported("a loop over a value that is no list")
    }
  }
}
