/// Writes a chat piece by piece: texts are taken apart at control tokens, neighbouring texts joined.
struct PieceWriter {
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
    pieces.append(SequencePiece(content, counts: counts, isWritten: content == .begin))
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
