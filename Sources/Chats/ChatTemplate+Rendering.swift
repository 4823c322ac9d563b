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

/// Writes a chat piece by piece: texts are taken apart at control tokens, neighbouring texts joined.
private struct PieceWriter {
  private(set) var pieces: [SequencePiece] = []
  private let template: ChatTemplate
  private let controls: [String]
  private var counts = false
  /// Whether the next text must not join the one before it.
  private var isCut = false

  init(_ template: ChatTemplate) {
    self.template = template
    // The longer spelling first, where one begins with the other.
    controls = (template.controls + template.markers).sorted { $0.count > $1.count }
  }

  /// What makes the model answer ends a piece, so that training reads what inference reads.
  mutating func beginAnswer() {
    isCut = true
    counts = true
  }

  mutating func endAnswer() { counts = false }

  mutating func addAnswer(_ content: String, isLast: Bool, isLate: Bool) {
    guard let marks = template.reasoning else {
      add(template.assistant, content: template.trimmed(content, .assistant))
      return
    }
    var (reasoning, answer) = Self.reasoning(in: content, marks)
    if isLate, isLast || !reasoning.isEmpty {
      reasoning = Self.withoutLines(reasoning, left: true, right: true)
      add(marks.open)
      addText(reasoning)
      add(marks.close)
      answer = Self.withoutLines(answer, left: true)
    }
    add(template.assistant, content: template.trimmed(answer, .assistant))
  }

  /// The reasoning in an answer, and the answer without it.
  private static func reasoning(
    in content: String, _ marks: ChatTemplate.Reasoning
  ) -> (reasoning: String, answer: String) {
    let open = withoutLines(marks.open, right: true)
    let close = withoutLines(marks.close, left: true, right: true)
    let parts = content.split(separator: close, omittingEmptySubsequences: false)
    guard parts.count > 1, let first = parts.first, let last = parts.last else {
      return ("", content)
    }
    let before =
      withoutLines(String(first), right: true)
      .split(separator: open, omittingEmptySubsequences: false).last ?? ""
    return (
      withoutLines(String(before), left: true), withoutLines(String(last), left: true)
    )
  }

  /// A text without the line feeds at its ends.
  private static func withoutLines(
    _ text: String, left: Bool = false, right: Bool = false
  ) -> String {
    var scalars = Substring(text).unicodeScalars
    if left { scalars = scalars.drop { $0 == "\n" } }
    if right { while scalars.last == "\n" { scalars.removeLast() } }
    return String(scalars)
  }

  /// Adds a text of the template, a message in its place.
  mutating func add(_ form: String, content: String? = nil) {
    for part in Placeholders.parts(of: form, controls) {
      switch part {
      case "{content}": if let content { addText(content) }
      case "{bos}": addToken(.begin)
      case "{eos}": addToken(.end)
      case let part where controls.contains(part): addToken(.control(part))
      default: addText(part)
      }
    }
  }

  private func piece(_ text: String, continues: Bool) -> SequencePiece {
    SequencePiece(
      .text(text), counts: counts, continues: continues,
      isStripped: template.stripsAfterControls)
  }

  private mutating func addToken(_ content: SequencePiece.Content) {
    pieces.append(SequencePiece(content, counts: counts))
    isCut = false
  }

  private mutating func addText(_ text: String) {
    guard !text.isEmpty else { return }
    guard let last = pieces.last, case .text(let before) = last.content else {
      pieces.append(piece(text, continues: false))
      isCut = false
      return
    }
    if isCut || last.counts != counts {
      pieces.append(piece(text, continues: true))
    } else {
      pieces[pieces.count - 1].content = .text(before + text)
    }
    isCut = false
  }
}

/// Places for messages and tokens in a template's texts.
enum Placeholders {
  private static let names = ["{content}", "{system}", "{bos}", "{eos}"]

  /// A form taken apart at its places and at the given spellings.
  static func parts(of form: String, _ spellings: [String]) -> [String] {
    var parts: [String] = []
    var text = ""
    var rest = Substring(form)
    while let first = rest.first {
      if let found = (names + spellings).first(where: { rest.hasPrefix($0) }) {
        if !text.isEmpty { parts.append(text) }
        text = ""
        parts.append(found)
        rest = rest.dropFirst(found.count)
      } else {
        text.append(first)
        rest = rest.dropFirst()
      }
    }
    return text.isEmpty ? parts : parts + [text]
  }

  /// A form with its places filled; what fills one place is not searched for others.
  static func replace(_ form: String, _ values: [String: String]) -> String {
    parts(of: form, []).map { values[$0] ?? $0 }.joined()
  }
}
