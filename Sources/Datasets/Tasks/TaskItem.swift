/// A question whose answer is known: a row of a task's JSON Lines file.
public struct TaskItem: Hashable, Sendable {
  /// What is asked for.
  public enum Question: Hashable, Sendable {
    /// Which of at least two continuations is right, by its index.
    case choices([String], answer: Int)
    /// The continuation itself.
    case target(String)
  }

  public var prompt: String
  public var question: Question
  /// The row's line in its file, from 1.
  public var line: Int

  public init(prompt: String, question: Question, line: Int) {
    self.prompt = prompt
    self.question = question
    self.line = line
  }

  /// The continuations that are scored: all choices, or the target.
  public var continuations: [String] {
    switch question {
    case .choices(let choices, _): choices
    case .target(let target): [target]
    }
  }

  public var kind: TaskKind {
    switch question {
    case .choices: .choices
    case .target: .target
    }
  }
}

/// The kind of all rows of a task's file.
public enum TaskKind: String, Hashable, Sendable {
  case choices, target

  /// The keys of a row, for messages.
  var keys: String {
    switch self {
    case .choices: #"{"prompt", "choices", "answer"}"#
    case .target: #"{"prompt", "target"}"#
    }
  }
}
