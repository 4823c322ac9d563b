/// Operators, filters, tests and methods that chat templates use, with Python's meaning.
///
/// Whoever calls them counts the operands and the results in the budget; what would be large before
/// it is a result is counted here.
struct JinjaBuiltins {
  let budget: JinjaBudget
  private static let depthLimit = 32

  func binary(
    _ symbol: String, _ a: JinjaValue, _ b: JinjaValue
  ) throws(JinjaError) -> JinjaValue {
    switch symbol {
    case "==": return .bool(try equal(a, b))
    case "!=": return .bool(try !equal(a, b))
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

  private func integer(
    _ symbol: String, _ a: Int, _ b: Int
  ) throws(JinjaError) -> JinjaValue {
    switch symbol {
    case "+": return .int(a &+ b)
    case "-": return .int(a &- b)
    case "*": return .int(a &* b)
    case "//" where b > 0: return .int(a / b - (a % b < 0 ? 1 : 0))
    case "%" where b > 0: return .int(a % b < 0 ? a % b + b : a % b)
    case "<", ">", "<=", ">=": return .bool(ordered(symbol, a, b))
    default: throw .unsupported("'\(symbol)' between numbers")
    }
  }

  private func ordered<Value: Comparable>(_ symbol: String, _ a: Value, _ b: Value) -> Bool {
    switch symbol {
    case "<": a < b
    case ">": a > b
    case "<=": a <= b
    default: a >= b
    }
  }

  func contains(
    _ whole: JinjaValue, _ part: JinjaValue
  ) throws(JinjaError) -> Bool {
    switch whole {
    case .string(let text):
      guard let part = part.string else { throw .unsupported("'in' a text for what is no text") }
      return part.isEmpty || text.contains(part)
    case .list(let elements):
      for element in elements where try equal(element, part) { return true }
      return false
    case .object(let object): return part.string.map { object[$0] != nil } ?? false
    case .undefined: return false
    default: throw .unsupported("'in' a value that holds nothing")
    }
  }

  /// Whether two values are equal, lists and mappings by their elements.
  /// - Throws: `JinjaError.limit` for values that are nested too deep, as one that holds itself is.
  func equal(
    _ a: JinjaValue, _ b: JinjaValue, depth: Int = 0
  ) throws(JinjaError) -> Bool {
    guard depth <= Self.depthLimit else { throw .limit("values nested too deep") }
    try budget.spend(1)
    switch (a, b) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.string(let a), .string(let b)):
      try budget.spend(min(a.utf8.count, b.utf8.count))
      return a.utf8.elementsEqual(b.utf8)
    case (.double(let a), .double(let b)): return a == b
    case (.list(let a), .list(let b)):
      guard a.count == b.count else { return false }
      for (a, b) in zip(a, b) where try !equal(a, b, depth: depth + 1) { return false }
      return true
    case (.object(let a), .object(let b)):
      guard a !== b else { return true }
      guard a.members.count == b.members.count else { return false }
      for (key, value) in a.members {
        try budget.spend(b.members.count)
        guard let other = b[key], try equal(value, other, depth: depth + 1) else { return false }
      }
      return true
    default: return a.int != nil && a.int == b.int
    }
  }

  func slice(
    _ base: JinjaValue, from: Int?, to: Int?, step: Int
  ) throws(JinjaError) -> JinjaValue {
    let elements = try base.elements()
    guard step != 0 else { throw .unsupported("a slice of step 0") }
    let count = elements.count
    let step = min(max(step, -count - 1), count + 1)
    func place(_ bound: Int?, _ usual: Int, _ range: ClosedRange<Int>) -> Int {
      guard let bound else { return usual }
      return min(max(bound < 0 ? bound &+ count : bound, range.lowerBound), range.upperBound)
    }
    let chosen =
      step > 0
      ? stride(from: place(from, 0, 0...count), to: place(to, count, 0...count), by: step)
      : stride(
        from: place(from, count - 1, -1...max(-1, count - 1)),
        to: place(to, -1, -1...max(-1, count - 1)), by: step)
    let parts = chosen.map { elements[$0] }
    if case .string = base { return .string(parts.compactMap(\.string).joined()) }
    return .list(parts)
  }

  func range(_ values: [JinjaValue]) throws(JinjaError) -> JinjaValue {
    let numbers = values.compactMap(\.int)
    guard numbers.count == values.count, (1...2).contains(numbers.count) else {
      throw .unsupported("a range of other than one or two numbers")
    }
    let (first, end) = numbers.count == 1 ? (0, numbers[0]) : (numbers[0], numbers[1])
    guard end > first else { return .list([]) }
    let (count, overflow) = end.subtractingReportingOverflow(first)
    guard !overflow, count <= 10_000 else { throw .limit("a range of more than 10,000 numbers") }
    return .list((first..<end).map { .int($0) })
  }
}
