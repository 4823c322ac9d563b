import Storage

extension ChatTemplate {
  private static var textKeys: [(String, WritableKeyPath<ChatTemplate, String>)] {
    [
      ("name", \.name), ("about", \.about), ("begin", \.begin), ("user", \.user),
      ("generation_prompt", \.generationPrompt), ("assistant", \.assistant),
      ("end_of_turn", \.endOfTurn), ("after_turn", \.afterTurn), ("end", \.end),
    ]
  }
  private static var optionalKeys: [(String, WritableKeyPath<ChatTemplate, String?>)] {
    [
      ("system", \.system), ("joined", \.joined), ("default_system", \.defaultSystem),
    ]
  }
  private static var flagKeys: [(String, WritableKeyPath<ChatTemplate, Bool>)] {
    [
      ("joins_last", \.joinsLast), ("alternates", \.alternates), ("trims_joined", \.trimsJoined),
      ("strips_after_controls", \.stripsAfterControls),
    ]
  }
  private static var listKeys: [(String, WritableKeyPath<ChatTemplate, [String]>)] {
    [
      ("controls", \.controls), ("markers", \.markers),
    ]
  }

  /// Reads a template as `recipes/templates` holds it.
  /// - Throws: `ChatError.invalid` for an unknown key, a wrong type or a text without its place for
  ///   the message.
  public init(_ json: JSONValue) throws(ChatError) {
    let name = json["name"]?.string ?? "?"
    guard let members = json.object?.members else {
      throw .invalid(template: name, problem: "found \(json.kind), expected an object")
    }
    self.init(name: "", user: "", generationPrompt: "", assistant: "", endOfTurn: "")
    for member in members {
      guard try read(member.key, member.value, name) else {
        throw .invalid(
          template: name, problem: "\(member.key): found \(member.value.kind), expected otherwise")
      }
    }
    try check()
  }

  /// Reads a member; false if its value is not allowed.
  private mutating func read(
    _ key: String, _ value: JSONValue, _ name: String
  ) throws(ChatError) -> Bool {
    if let path = Self.textKeys.first(where: { $0.0 == key })?.1 {
      return set(path, value.string)
    }
    if let path = Self.optionalKeys.first(where: { $0.0 == key })?.1 {
      self[keyPath: path] = value.string
      return value.string != nil || value.isNull
    }
    if let path = Self.flagKeys.first(where: { $0.0 == key })?.1 { return set(path, value.bool) }
    if let path = Self.listKeys.first(where: { $0.0 == key })?.1 {
      return set(path, value.array.map { $0.compactMap(\.string) })
    }
    switch key {
    case "order": return set(\.order, value.int)
    case "trims":
      let roles = value.array?.map { $0.string.flatMap { ChatRole(rawValue: $0) } }
      guard let roles, !roles.contains(nil) else { return false }
      trims = Set(roles.compactMap { $0 })
      return true
    case "reasoning":
      guard let open = value["open"]?.string, let close = value["close"]?.string else {
        return false
      }
      reasoning = Reasoning(open: open, close: close)
      return true
    default: throw .invalid(template: name, problem: "\(key): unknown key")
    }
  }

  private mutating func set<Value>(
    _ path: WritableKeyPath<ChatTemplate, Value>, _ value: Value?
  ) -> Bool {
    guard let value else { return false }
    self[keyPath: path] = value
    return true
  }

  private func check() throws(ChatError) {
    for (key, text) in [("user", user), ("assistant", assistant)] {
      guard text.contains("{content}") else {
        throw .invalid(template: name, problem: "\(key): found no {content} in \"\(text)\"")
      }
    }
    if let joined, !joined.contains("{system}") || !joined.contains("{content}") {
      throw .invalid(template: name, problem: "joined: expected {system} and {content} in it")
    }
    guard !endOfTurn.isEmpty else {
      throw .invalid(template: name, problem: "end_of_turn: empty, so that no answer would end")
    }
  }

  /// The template as JSON; what is as plain as it can be is left out.
  public var json: JSONValue {
    let plain = ChatTemplate(
      name: "", user: "", generationPrompt: "", assistant: "", endOfTurn: "")
    var object = JSONObject()
    for (key, path) in Self.textKeys where self[keyPath: path] != plain[keyPath: path] {
      object[key] = .string(self[keyPath: path])
    }
    if order != plain.order { object["order"] = .int(order) }
    for (key, path) in Self.optionalKeys { object[key] = self[keyPath: path].map { .string($0) } }
    for (key, path) in Self.flagKeys where self[keyPath: path] { object[key] = true }
    for (key, path) in Self.listKeys where !self[keyPath: path].isEmpty {
      object[key] = .array(self[keyPath: path].map { .string($0) })
    }
    if !trims.isEmpty {
      object["trims"] = .array(trims.map(\.rawValue).sorted().map { .string($0) })
    }
    if let reasoning {
      object["reasoning"] = ["open": .string(reasoning.open), "close": .string(reasoning.close)]
    }
    return .object(object)
  }
}
