/// A part of a parsed template.
indirect enum JinjaNode {
  case text(String)
  case output(JinjaExpression)
  case branch([(condition: JinjaExpression, body: [JinjaNode])], else: [JinjaNode])
  case loop(JinjaLoop)
  case set([JinjaTarget], JinjaExpression)
  /// What a `set` block prints.
  case capture(JinjaTarget, [JinjaNode])
  case macro(String, JinjaMacro)
  case leave, skip
}

/// What a `set` sets: a name, or a member of a namespace.
struct JinjaTarget {
  var name: String
  var member: String?
}

/// A `for` loop.
struct JinjaLoop {
  var names: [String]
  var elements: JinjaExpression
  /// Which elements it runs over; nil for all.
  var condition: JinjaExpression?
  var body: [JinjaNode]
  var otherwise: [JinjaNode]
}

/// A parsed Jinja template: as much of Jinja as chat templates use.
struct JinjaTemplate {
  let nodes: [JinjaNode]

  /// The longest template that is read, in bytes.
  static let sourceLimit = 1 << 18

  /// - Throws: `JinjaError` for syntax that chat templates don't use.
  init(_ source: String) throws(JinjaError) {
    guard source.utf8.count <= Self.sourceLimit else {
      throw .limit("a template of more than \(Self.sourceLimit >> 10) KiB")
    }
    var parser = JinjaTemplateParser(try JinjaLexer.segments(of: source))
    nodes = try parser.template()
  }
}

/// Joins the segments of a template into its parts.
private struct JinjaTemplateParser {
  private let segments: [JinjaSegment]
  private var position = 0
  private var depth = 0
  private static let depthLimit = 32

  init(_ segments: [JinjaSegment]) { self.segments = segments }

  mutating func template() throws(JinjaError) -> [JinjaNode] {
    let nodes = try body(until: [])
    guard position == segments.count else { throw .unsupported("an end without its beginning") }
    return nodes
  }

  /// Parts up to, not including, a statement that begins with one of some words.
  private mutating func body(until ends: [String]) throws(JinjaError) -> [JinjaNode] {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthLimit else { throw .limit("statements nested too deep") }
    var nodes: [JinjaNode] = []
    while position < segments.count {
      switch segments[position] {
      case .text(let text): nodes.append(.text(text))
      case .output(let tokens):
        var parser = JinjaExpressionParser(tokens)
        nodes.append(.output(try parser.expression()))
        try parser.end()
      case .statement(let tokens):
        guard case .name(let word)? = tokens.first else { throw .unsupported("an empty tag") }
        if ends.contains(word) { return nodes }
        nodes += try statement(word, JinjaExpressionParser(Array(tokens.dropFirst())))
      }
      position += 1
    }
    if let end = ends.last { throw .unsupported("a statement without '\(end)'") }
    return nodes
  }

  /// A statement, at whose last tag the position is left.
  private mutating func statement(
    _ word: String, _ parser: JinjaExpressionParser
  ) throws(JinjaError) -> [JinjaNode] {
    var parser = parser
    switch word {
    case "if": return [try branch(parser)]
    case "for": return [.loop(try loop(parser))]
    case "set": return [try set(parser)]
    case "macro":
      let name = try parser.name()
      let parameters = try Self.parameters(&parser)
      position += 1
      return [.macro(name, JinjaMacro(parameters, try body(until: ["endmacro"])))]
    case "generation":
      position += 1
      return try body(until: ["endgeneration"])
    case "break": return [.leave]
    case "continue": return [.skip]
    default: throw .unsupported("the statement '\(word)'")
    }
  }

  private mutating func branch(_ parser: JinjaExpressionParser) throws(JinjaError) -> JinjaNode {
    var parser = parser
    var branches: [(JinjaExpression, [JinjaNode])] = []
    while true {
      let condition = try parser.expression()
      try parser.end()
      position += 1
      branches.append((condition, try body(until: ["elif", "else", "endif"])))
      switch wordHere {
      case "elif": parser = parserHere
      case "else":
        position += 1
        return .branch(branches, else: try body(until: ["endif"]))
      default: return .branch(branches, else: [])
      }
    }
  }

  private mutating func loop(_ parser: JinjaExpressionParser) throws(JinjaError) -> JinjaLoop {
    var parser = parser
    var names = [try parser.name()]
    while parser.take(",") { names.append(try parser.name()) }
    guard parser.takeWord("in") else { throw .unsupported("'for' without 'in'") }
    let elements = try parser.or()
    let condition = parser.takeWord("if") ? try parser.expression() : nil
    try parser.end()
    position += 1
    let body = try body(until: ["else", "endfor"])
    var otherwise: [JinjaNode] = []
    if wordHere == "else" {
      position += 1
      otherwise = try self.body(until: ["endfor"])
    }
    return JinjaLoop(
      names: names, elements: elements, condition: condition, body: body, otherwise: otherwise)
  }

  private mutating func set(_ parser: JinjaExpressionParser) throws(JinjaError) -> JinjaNode {
    var parser = parser
    var targets: [JinjaTarget] = []
    repeat {
      let name = try parser.name()
      targets.append(JinjaTarget(name: name, member: parser.take(".") ? try parser.name() : nil))
    } while parser.take(",")
    if parser.take("=") {
      let value = try parser.expression()
      try parser.end()
      return .set(targets, value)
    }
    try parser.end()
    position += 1
    return .capture(targets[0], try body(until: ["endset"]))
  }

  private static func parameters(
    _ parser: inout JinjaExpressionParser
  ) throws(JinjaError) -> [(name: String, value: JinjaExpression?)] {
    try parser.expect("(")
    var parameters: [(name: String, value: JinjaExpression?)] = []
    while !parser.take(")") {
      let name = try parser.name()
      parameters.append((name, parser.take("=") ? try parser.expression() : nil))
      if !parser.take(","), parser.next != .symbol(")") {
        throw .unsupported("parameters without a comma")
      }
    }
    return parameters
  }

  /// The first word of the statement at the position.
  private var wordHere: String {
    guard case .statement(let tokens) = segments[position], case .name(let word)? = tokens.first
    else { return "" }
    return word
  }

  private var parserHere: JinjaExpressionParser {
    guard case .statement(let tokens) = segments[position] else { return .init([]) }
    return JinjaExpressionParser(Array(tokens.dropFirst()))
  }
}
