extension ChatTemplate {
  /// The pieces of a chat.
  ///
  /// - Parameter prompting: end with what makes the model answer, for inference; otherwise with
  ///   what stands behind the last message, for training.
  /// - Throws: `ChatError.chat` for roles in an order that the template can't write.
  public func pieces(
    _ messages: [ChatMessage], prompting: Bool = false
  ) throws(ChatError) -> [SequencePiece] {
    try check(messages)
    var writer = PieceWriter(self)
    let given = messages.first?.role == .system ? messages[0].content : nil
    let systemText = given.map { trimmed($0, .system) } ?? defaultSystem
    writer.add(begin)
    if let systemText, let system { writer.add(system, content: systemText) }
    let turns = given == nil ? messages[...] : messages.dropFirst()
    let joinPlace = joinedPlace(turns)
    let lastUser = turns.lastIndex { $0.role == .user } ?? -1
    for (index, message) in zip(turns.indices, turns) {
      switch message.role {
      case .system: break
      case .user:
        let content =
          joinPlace == index
          ? joinedContent(message.content, systemText) : trimmed(message.content, .user)
        writer.add(user, content: content)
      case .assistant:
        writer.add(generationPrompt)
        writer.beginAnswer()
        let isLast = index == turns.endIndex - 1 && index > lastUser
        writer.addAnswer(message.content, isLast: isLast, isLate: index > lastUser)
        writer.add(endOfTurn)
        writer.endAnswer()
        writer.add(afterTurn)
      }
    }
    writer.add(prompting ? generationPrompt : end)
    return writer.pieces
  }

  /// A chat as a sequence of its own: as `pieces`, with BOS at its beginning also where the template
  /// leaves that to the tokenizer.
  /// - Throws: as `pieces`.
  public func sequence(
    _ messages: [ChatMessage], prompting: Bool = false
  ) throws(ChatError) -> [SequencePiece] {
    let pieces = try pieces(messages, prompting: prompting)
    return pieces.first?.content == .begin ? pieces : [SequencePiece(.begin)] + pieces
  }

  /// The text of a chat with its control tokens spelled out, as a Jinja template writes it.
  ///
  /// - Parameters:
  ///   - begin: the spelling of BOS, and `end` that of EOS.
  /// - Throws: as `pieces`.
  public func text(
    _ messages: [ChatMessage], prompting: Bool = false, begin: String, end: String
  ) throws(ChatError) -> String {
    try pieces(messages, prompting: prompting).map { piece in
      switch piece.content {
      case .begin: begin
      case .end: end
      case .control(let text), .text(let text): text
      }
    }.joined()
  }

  /// Index of the user message that the system's stands in; nil if it stands in none.
  private func joinedPlace(_ turns: ArraySlice<ChatMessage>) -> Int? {
    guard joined != nil else { return nil }
    return joinsLast
      ? turns.lastIndex { $0.role == .user } : turns.firstIndex { $0.role == .user }
  }

  private func joinedContent(_ content: String, _ systemText: String?) -> String {
    guard let joined, let systemText else { return trimmed(content, .user) }
    let parts = [
      "{system}": systemText, "{content}": trimsJoined ? content : trimmed(content, .user),
    ]
    let whole = Placeholders.replace(joined, parts)
    return trimsJoined ? trimmed(whole, .user) : whole
  }

  /// A message's content as the template takes it.
  func trimmed(_ content: String, _ role: ChatRole) -> String {
    guard trims.contains(role) else { return content }
    var scalars = Substring(content).unicodeScalars
    scalars = scalars.drop { $0.properties.isWhitespace }
    while let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() }
    return String(scalars)
  }

  private func check(_ messages: [ChatMessage]) throws(ChatError) {
    func refuse(_ problem: String) -> ChatError { .chat(template: name, problem: problem) }
    guard !messages.isEmpty else { throw refuse("messages: an empty list") }
    let isSystem = messages.map { $0.role == .system }
    if isSystem[0], system == nil, joined == nil {
      throw refuse("messages[0]: a system message, for which this template has no place")
    }
    if let index = isSystem.dropFirst().firstIndex(of: true) {
      throw refuse("messages[\(index)]: a system message that is not the first")
    }
    guard alternates else { return }
    let first = isSystem[0] ? 1 : 0
    for index in first..<messages.count {
      let expected: ChatRole = (index - first) % 2 == 0 ? .user : .assistant
      guard messages[index].role == expected else {
        throw refuse(
          "messages[\(index)]: found the role \"\(messages[index].role.rawValue)\", expected "
            + "\"\(expected.rawValue)\", since the two take turns")
      }
    }
  }
}
