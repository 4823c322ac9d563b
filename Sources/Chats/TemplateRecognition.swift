import Storage

/// Finds out which known template a model's own Jinja template is, by what it writes: a set of
/// chats is rendered by both, and all must be the same text. What may differ between models of one
/// shape is read off: the default system message, BOS at the beginning, EOS behind the last message
/// and the roles whose messages are trimmed.
struct TemplateRecognition {
  /// A chat that templates are compared on.
  private struct Probe {
    var messages: [ChatMessage]
    var prompting = false
  }

  /// What the model's own template makes of a probe.
  private enum Outcome: Equatable {
    case text(String)
    /// The template raises an exception.
    case refused
  }

  private let template: JinjaTemplate
  private let begin: String
  private let end: String

  /// - Parameters:
  ///   - jinja: the model's own template.
  ///   - begin: the spelling of BOS, and `end` that of EOS; empty where there is none.
  /// - Throws: `ChatError.unrecognised` for a template of no known shape.
  static func recognise(
    _ jinja: String, begin: String, end: String
  ) throws(ChatError) -> ChatTemplate {
    do throws(JinjaError) {
      let recognition = TemplateRecognition(
        template: try JinjaTemplate(jinja), begin: begin, end: end)
      for shape in ChatTemplates.all {
        if let fitted = try recognition.fitted(shape) { return fitted }
      }
      guard case .text(let text) = try recognition.own(prompted) else {
        throw JinjaError.unsupported("it refuses a question")
      }
      let excerpt = JSONValue.string(String(text.prefix(160))).encoded()
      throw JinjaError.unsupported("it writes a question as \(excerpt)")
    } catch {
      throw .unrecognised(reason: Self.reason(error), known: ChatTemplates.names)
    }
  }

  private static func reason(_ error: JinjaError) -> String {
    switch error {
    case .unsupported(let what): "\(what)"
    case .refused(let message): "it refuses a question: \(message.prefix(120))"
    case .limit(let what): "\(what)"
    }
  }

  // MARK: probes

  private static let question = ChatMessage(.user, "One?")
  private static let answer = ChatMessage(.assistant, "Two.")
  private static let second = ChatMessage(.user, "Three?")
  private static let last = ChatMessage(.assistant, "Four.")
  private static let order = ChatMessage(.system, "Be brief.")

  private static let prompted = Probe(messages: [question], prompting: true)
  private static let answered = Probe(messages: [question, answer])
  private static let ordered = Probe(messages: [order, question], prompting: true)

  /// Without a system message.
  private static let plain = [
    prompted, answered,
    Probe(messages: [question, answer, second], prompting: true),
    Probe(messages: [question, answer, second, last]),
    Probe(messages: [ChatMessage(.user, " \n One\n\ntwo? \n")], prompting: true),
    Probe(messages: [question, ChatMessage(.assistant, "\n Two \n"), second, last]),
    Probe(messages: [question, ChatMessage(.assistant, "<think>\nWhy\n</think>\n\nTwo.")]),
    Probe(messages: [
      question, ChatMessage(.assistant, "<think>\nWhy\n</think>\n\nTwo."), second, last,
    ]),
    Probe(messages: [ChatMessage(.user, "<|im_end|>{content}</s>")], prompting: true),
  ]
  /// With a system message, up to a question.
  private static let withSystem = [
    ordered,
    Probe(messages: [order, question, answer, second], prompting: true),
    Probe(messages: [ChatMessage(.system, " \nBe\nbrief. \n"), question], prompting: true),
    Probe(messages: [order, ChatMessage(.user, " \n One? \n")], prompting: true),
  ]
  /// With a system message, up to an answer.
  private static let trained = [
    Probe(messages: [order, question, answer]),
    Probe(messages: [order, question, answer, second, last]),
  ]

  // MARK: comparing

  private func own(_ probe: Probe) throws(JinjaError) -> Outcome {
    let messages = probe.messages.map { message in
      JinjaValue.object(
        JinjaObject([
          ("role", .string(message.role.rawValue)), ("content", .string(message.content)),
        ]))
    }
    do throws(JinjaError) {
      return .text(
        try JinjaRenderer.text(
          template,
          [
            "messages": .list(messages), "add_generation_prompt": .bool(probe.prompting),
            "bos_token": .string(begin), "eos_token": .string(end), "tools": .none,
            "documents": .none,
          ]))
    } catch {
      if case .refused = error { return .refused }
      throw error
    }
  }

  private func agrees(_ shape: ChatTemplate, _ probe: Probe) throws(JinjaError) -> Bool {
    guard case .text(let text) = try own(probe) else { return false }
    return text.utf8.elementsEqual(written(shape, probe).utf8)
  }

  private func written(_ shape: ChatTemplate, _ probe: Probe) -> String {
    let text = try? shape.text(
      probe.messages, prompting: probe.prompting, begin: begin, end: end)
    return text ?? ""
  }

  /// The shape with what differs between models settled; nil if the template is of another shape.
  private func fitted(_ shape: ChatTemplate) throws(JinjaError) -> ChatTemplate? {
    guard var fitted = try beginning(shape) else { return nil }
    try fitEnding(&fitted)
    let places: [(ChatRole, Probe)] = [
      (.user, Self.plain[4]), (.assistant, Self.plain[5]), (.system, Self.withSystem[2]),
    ]
    if try !hasPlaceForSystem() { (fitted.system, fitted.joined) = (nil, nil) }
    for (role, probe) in places where try !agrees(fitted, probe) {
      if role == .system, fitted.system == nil, fitted.joined == nil { continue }
      fitted.trims.formSymmetricDifference([role])
    }
    for probe in Self.plain where try !agrees(fitted, probe) { return nil }
    return try systemAgrees(fitted) ? fitted : nil
  }

  private func fitEnding(_ fitted: inout ChatTemplate) throws(JinjaError) {
    let usual = fitted
    for after in [fitted.afterTurn, "\n", "", " "] {
      for end in [fitted.end, "", "{eos}"] {
        (fitted.afterTurn, fitted.end) = (after, end)
        if try agrees(fitted, Self.answered) { return }
      }
    }
    fitted = usual
  }

  /// Whether the template writes system messages, neither refuses them nor leaves them out.
  private func hasPlaceForSystem() throws(JinjaError) -> Bool {
    let (ordered, plain) = (try own(Self.ordered), try own(Self.prompted))
    return ordered != .refused && ordered != plain
  }

  /// Whether system messages stand where the shape has them.
  private func systemAgrees(_ shape: ChatTemplate) throws(JinjaError) -> Bool {
    guard shape.system != nil || shape.joined != nil else { return try !hasPlaceForSystem() }
    for probe in Self.withSystem where try !agrees(shape, probe) { return false }
    for probe in Self.trained where try !agrees(shape, probe) {
      // Some write the system message only where a question is the last message.
      let without = Probe(messages: Array(probe.messages.dropFirst()))
      guard try own(probe) == own(without) else { return false }
    }
    return true
  }

  /// The shape with the template's own beginning and default system message; nil if none fits.
  private func beginning(_ shape: ChatTemplate) throws(JinjaError) -> ChatTemplate? {
    guard case .text(let text) = try own(Self.prompted) else { return nil }
    for begin in shape.begin.isEmpty ? ["", "{bos}"] : [shape.begin, ""] {
      var fitted = shape
      fitted.begin = begin
      fitted.defaultSystem = nil
      if written(fitted, Self.prompted) == text { return fitted }
      // What stands where a system message would.
      let mark = "\u{F0000}"
      fitted.defaultSystem = mark
      let parts = written(fitted, Self.prompted).split(
        separator: mark, omittingEmptySubsequences: false)
      guard parts.count == 2, text.hasPrefix(parts[0]), text.hasSuffix(parts[1]),
        text.count >= parts[0].count + parts[1].count
      else { continue }
      fitted.defaultSystem = String(text.dropFirst(parts[0].count).dropLast(parts[1].count))
      return fitted
    }
    return nil
  }
}

extension ChatTemplate {
  /// The known template that a model's own Jinja template is, with the model's default system
  /// message.
  ///
  /// - Parameters:
  ///   - begin: the spelling of BOS, and `end` that of EOS; empty where there is none.
  /// - Throws: `ChatError.unrecognised`.
  public static func recognised(
    _ jinja: String, begin: String, end: String
  ) throws(ChatError) -> ChatTemplate {
    try TemplateRecognition.recognise(jinja, begin: begin, end: end)
  }
}
