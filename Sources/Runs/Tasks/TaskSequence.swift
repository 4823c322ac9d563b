import Chats
import Datasets
import Tokenizers

/// A prompt with one continuation, as ids.
struct TaskSequence: Hashable {
  /// At least one id of a prompt, then the continuation's.
  var ids: [Int32]
  /// Where the continuation begins; from 1.
  var scoredFrom: Int

  /// Number of ids that a model reads: all but the last.
  var inputs: Int { ids.count - 1 }
}

/// Writes questions as ids, in the way of EleutherAI's evaluation harness: prompt and continuation are
/// encoded as one text, and what goes beyond the ids of the prompt alone is the continuation. White
/// space at the end of the prompt goes with the continuation.
struct TaskEncoder {
  let tokenizer: any Tokenizer
  /// The template that writes a prompt as a user's message; nil for plain text.
  let template: ChatTemplate?
  /// What stands between prompt and continuation where neither has white space there.
  let delimiter: String
  /// Ids that the model may read at once; longer sequences lose their first ones.
  let context: Int
  /// The task's file, for messages.
  let path: String

  /// The ids of an item's prompt with each of its continuations.
  /// - Throws: `DatasetError.row` for a continuation without ids of its own, or of more than fit the
  ///   context; what the tokenizer and the template throw.
  func sequences(of item: TaskItem) throws -> [TaskSequence] {
    try item.continuations.map { text in
      let (prompt, continuation) = try ids(item.prompt, text)
      guard !continuation.isEmpty, continuation.count <= context else {
        throw DatasetError.row(
          path: path, line: item.line,
          problem: continuation.isEmpty
            ? "'\(text.prefix(40))' adds no token to its prompt"
            : "'\(text.prefix(40))…' has \(continuation.count) tokens, expected at most \(context), "
              + "the model's context")
      }
      let dropped = max(0, prompt.count + continuation.count - context - 1)
      return TaskSequence(
        ids: Array(prompt.dropFirst(dropped)) + continuation, scoredFrom: prompt.count - dropped)
    }
  }

  /// The ids that a text is generated after.
  func prompt(of item: TaskItem) throws -> [Int32] {
    let ids = try template.map { try chat(item.prompt, $0) } ?? encoded(item.prompt)
    return ids.isEmpty ? try start(item) : ids
  }

  private func ids(_ prompt: String, _ text: String) throws -> ([Int32], [Int32]) {
    if let template {
      var text = text
      let ids = try text.withUTF8 { bytes in
        try tokenizer.encodeContinuing(utf8: UnsafeRawBufferPointer(bytes))
      }
      return (try chat(prompt, template), ids)
    }
    let isSeparated = prompt.last?.isWhitespace != false || text.first?.isWhitespace == true
    let whole = prompt + (isSeparated ? "" : delimiter) + text
    guard !prompt.isEmpty else {
      return (try start(nil), try tokenizer.encode(whole))
    }
    var scalars = Substring(prompt).unicodeScalars
    while scalars.last?.properties.isWhitespace == true { scalars.removeLast() }
    let context = try encoded(String(scalars))
    let ids = try encoded(whole)
    guard !context.isEmpty else { return (try start(nil), ids) }
    return (context, Array(ids.dropFirst(context.count)))
  }

  /// A text as a model's texts begin.
  private func encoded(_ text: String) throws -> [Int32] {
    (tokenizer.beginOfSequence.map { [$0] } ?? [])
      + (text.isEmpty ? [] : try tokenizer.encode(text))
  }

  /// What is read before a continuation of nothing.
  private func start(_ item: TaskItem?) throws -> [Int32] {
    guard let id = tokenizer.beginOfSequence ?? tokenizer.endOfSequence else {
      throw DatasetError.row(
        path: path, line: item?.line ?? 0,
        problem: "the prompt is empty, and the tokenizer has neither BOS nor EOS to begin with")
    }
    return [id]
  }

  private func chat(_ prompt: String, _ template: ChatTemplate) throws -> [Int32] {
    var encoder = SequenceEncoder(tokenizer)
    return try encoder.ids(template.sequence([ChatMessage(.user, prompt)], prompting: true))
  }
}
