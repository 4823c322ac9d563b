import Chats
import Storage

/// Reads one line of a JSON Lines file as a row. Nothing but the strings of known keys is kept.
struct RowParser {
  /// Why a line is no row.
  enum Problem: Error {
    /// No JSON: a column, from 1, and what is wrong there.
    case syntax(column: Int, String)
    /// JSON of a wrong shape, or a row that can't be written as ids.
    case shape(String)

    var text: String {
      switch self {
      case .syntax(let column, let problem): "column \(column): \(problem)"
      case .shape(let problem): problem
      }
    }
  }

  /// The strings of known keys.
  private var strings: [String: String] = [:]
  private var messages: [ChatMessage]?
  /// Keys of other tools' files that hold what we have another name for.
  private var foreignKey: String?

  private static let stringKeys: Set<String> = [
    "prompt", "completion", "instruction", "input", "output", "text",
  ]

  /// - Parameter line: the line's bytes, without its end.
  static func row(_ line: UnsafeRawBufferPointer) throws(Problem) -> TextRow {
    var parser = RowParser()
    do {
      try parser.read(line)
    } catch let problem as Problem {
      throw problem
    } catch StorageError.json(_, _, let column, let problem) {
      throw .syntax(column: column, problem)
    } catch {
      throw .shape("\(error)")
    }
    return try parser.row()
  }

  private mutating func read(_ line: UnsafeRawBufferPointer) throws {
    var reader = JSONReader(line, source: "row")
    let kind = try reader.nextKind()
    guard kind == "an object" else { throw Problem.shape("found \(kind), expected an object") }
    try reader.beginObject()
    while let key = try reader.nextKey() {
      if key == "messages" {
        guard messages == nil else { throw Problem.shape("the key \"messages\" stands twice") }
        messages = try Self.messages(&reader)
      } else if Self.stringKeys.contains(key) {
        guard strings[key] == nil else { throw Problem.shape("the key \"\(key)\" stands twice") }
        // As files write an instruction that has no input.
        if key == "input", try reader.nextKind() == "null" {
          try reader.skip()
        } else {
          strings[key] = try Self.string(&reader, key)
        }
      } else {
        if key == "conversations" { foreignKey = key }
        try reader.skip()
      }
    }
    try reader.end()
  }

  private static func string(_ reader: inout JSONReader, _ key: String) throws -> String {
    let kind = try reader.nextKind()
    guard kind == "a string" else {
      throw Problem.shape("\(key): found \(kind), expected a string")
    }
    let text = try reader.string()
    guard !text.utf8.contains(0) else {
      throw Problem.shape("\(key): found a NUL character (\\u0000), expected text")
    }
    return text
  }

  private static func messages(_ reader: inout JSONReader) throws -> [ChatMessage] {
    let kind = try reader.nextKind()
    guard kind == "a list" else { throw Problem.shape("messages: found \(kind), expected a list") }
    try reader.beginArray()
    var messages: [ChatMessage] = []
    while try reader.nextElement() {
      messages.append(try message(&reader, "messages[\(messages.count)]"))
    }
    return messages
  }

  private static func message(_ reader: inout JSONReader, _ place: String) throws -> ChatMessage {
    let kind = try reader.nextKind()
    guard kind == "an object" else {
      throw Problem.shape("\(place): found \(kind), expected an object with role and content")
    }
    try reader.beginObject()
    var (role, content): (String?, String?)
    while let key = try reader.nextKey() {
      switch key {
      case "role" where role == nil: role = try string(&reader, "\(place).role")
      case "content" where content == nil: content = try string(&reader, "\(place).content")
      case "role", "content": throw Problem.shape("\(place): the key \"\(key)\" stands twice")
      default: try reader.skip()
      }
    }
    guard let role, let content else {
      throw Problem.shape("\(place).\(role == nil ? "role" : "content"): missing")
    }
    guard let known = ChatRole(rawValue: role) else {
      throw Problem.shape(
        "\(place).role: found \"\(role.prefix(40))\", expected "
          + ChatRole.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: " or "))
    }
    return ChatMessage(known, content)
  }

  private func row() throws(Problem) -> TextRow {
    if let messages {
      guard messages.contains(where: { $0.role == .assistant }) else {
        throw .shape("messages: found none of the role \"assistant\", expected an answer to learn")
      }
      return .chat(messages)
    }
    if let prompt = strings["prompt"], let completion = strings["completion"] {
      return .pair(prompt: prompt, completion: completion)
    }
    if let instruction = strings["instruction"], let output = strings["output"] {
      return .instruction(instruction, input: strings["input"] ?? "", output: output)
    }
    if let text = strings["text"] { return .text(text) }
    let known = RowShape.allCases.map(\.keys).joined(separator: ", ")
    let found = (foreignKey.map { [$0] } ?? []) + strings.keys.sorted()
    throw .shape(
      "found \(found.isEmpty ? "none of the keys" : "only \(found.joined(separator: ", "))"), "
        + "expected one of \(known)")
  }
}
