import Storage

/// Reads one line of a task's file.
struct TaskParser {
  private let row: JSONObject

  /// - Parameter line: the line's bytes, without its end.
  /// - Throws: a problem for what is no JSON object.
  init(_ line: UnsafeRawBufferPointer) throws(RowParser.Problem) {
    let json: JSONValue
    do {
      json = try JSONValue.decode(Array(line), source: "row")
    } catch {
      guard case .json(_, _, let column, let problem) = error else { throw .shape("\(error)") }
      throw .syntax(column: column, problem)
    }
    guard let object = json.object else {
      throw .shape("found \(json.kind), expected an object")
    }
    row = object
  }

  /// Whether the row has a task's keys and none of those that make it a row to train on.
  var isTask: Bool {
    row["prompt"] != nil && (row["choices"] != nil || row["target"] != nil)
      && row["completion"] == nil && row["messages"] == nil
  }

  /// The question; its line is 0.
  func item() throws(RowParser.Problem) -> TaskItem {
    guard isTask else {
      throw .shape(
        "found \(row.isEmpty ? "no keys" : "the keys \(row.keys.prefix(8).joined(separator: ", "))"), "
          + "expected \(TaskKind.choices.keys) or \(TaskKind.target.keys)")
    }
    let prompt = try text(row["prompt"] ?? .null, "prompt", mayBeEmpty: true)
    guard row["choices"] == nil || row["target"] == nil else {
      throw .shape("found choices and target, expected one of the two")
    }
    if let target = row["target"] {
      return TaskItem(
        prompt: prompt, question: .target(try text(target, "target", mayBeEmpty: false)), line: 0)
    }
    let choices = try choices()
    return TaskItem(
      prompt: prompt, question: .choices(choices, answer: try answer(among: choices)), line: 0)
  }

  private func choices() throws(RowParser.Problem) -> [String] {
    let value = row["choices"] ?? .null
    guard let list = value.array else {
      throw .shape("choices: found \(value.kind), expected a list of texts")
    }
    guard list.count >= 2 else {
      throw .shape("choices: found \(list.count), expected at least 2")
    }
    var choices: [String] = []
    for (index, choice) in list.enumerated() {
      choices.append(try text(choice, "choices[\(index)]", mayBeEmpty: false))
    }
    return choices
  }

  /// The right choice's index: given as such, or as the choice's text.
  private func answer(among choices: [String]) throws(RowParser.Problem) -> Int {
    guard let value = row["answer"] else { throw .shape("answer: missing") }
    if let index = value.int, choices.indices.contains(index) { return index }
    if let text = value.string, let index = choices.firstIndex(of: text) { return index }
    throw .shape(
      "answer: found \(value.encoded().prefix(40)), expected an index from 0 to \(choices.count - 1), or one "
        + "of the choices")
  }

  private func text(
    _ value: JSONValue, _ key: String, mayBeEmpty: Bool
  ) throws(RowParser.Problem) -> String {
    guard let text = value.string else {
      throw .shape("\(key): found \(value.kind), expected a string")
    }
    guard mayBeEmpty || text.contains(where: { !$0.isWhitespace }) else {
      throw .shape("\(key): found no text but white space, expected some")
    }
    guard !text.utf8.contains(0) else {
      throw .shape("\(key): found a NUL character (\\u0000), expected text")
    }
    return text
  }
}
