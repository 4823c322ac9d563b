import Storage
import Tensors

/// Errors of loading a recipe.
public enum RecipeError: Failure {
  /// No file at this path.
  case notFound(file: String)
  /// The file exists but can't be read.
  case unreadable(file: String, reason: String)
  /// Reading the file failed after it was opened.
  case readFailed(file: String, reason: String)
  /// Not JSON, or a key given twice. Line and column count from 1, the column in characters.
  case syntax(file: String, line: Int, column: Int, reason: String)
  /// All problems of a recipe's keys and values.
  case problems(file: String, [RecipeProblem])
  /// A tensor pattern given outside a recipe that can't be parsed (see `TensorPattern`).
  case pattern(text: String, reason: String)
  /// No recipes come with the program at this path.
  case notShipped(program: String)
  /// No shipped recipe has this name.
  case unknownName(String, known: [String])

  public var category: FailureCategory {
    switch self {
    case .notFound, .unreadable, .notShipped: .missingInput
    case .readFailed: .inputOutput
    case .syntax, .problems, .pattern, .unknownName: .usage
    }
  }

  public var description: String {
    switch self {
    case .notFound(let file):
      "recipe '\(file)' not found; give the path of a recipe's JSON file"
    case .unreadable(let file, let reason), .readFailed(let file, let reason):
      "recipe '\(file)' can't be read: \(reason)"
    case .syntax(let file, let line, let column, let reason):
      "recipe '\(file)' is not valid JSON: line \(line):\(column): \(reason)"
    case .problems(let file, let problems):
      "recipe '\(file)' has \(problems.count) problem\(problems.count == 1 ? "" : "s")"
        + problems.map { "\n  \($0)" }.joined()
    case .pattern(let text, let reason):
      "tensor pattern '\(text)': \(reason)"
    case .notShipped(let program):
      "there are no recipes near '\(program)'; run the program where 'make' or 'make install' put it"
    case .unknownName(let name, let known):
      "there is no recipe '\(name)'; "
        + (nearest(to: name, in: known).map { "did you mean '\($0)'?" }
          ?? "there are \(known.map { "'\($0)'" }.joined(separator: ", "))")
    }
  }
}

/// One problem of a recipe: its key path, what was found and what is allowed.
public struct RecipeProblem: Hashable, Sendable, CustomStringConvertible {
  /// The kind of problem, with its details.
  public enum Kind: Hashable, Sendable {
    /// An unknown key; `suggestion` is the nearest known key, if one is close.
    case unknownKey(suggestion: String?, known: [String])
    /// A key that belongs to another type of the same section: `betas` where the type is `sgd`.
    case foreignKey(owner: String, current: String)
    case missing(expected: String)
    /// A wrong type or a value out of range; `suggestion` is the nearest allowed word.
    case mismatch(found: String, expected: String, suggestion: String?)
    /// Two keys that exclude each other.
    case conflict(other: String)
    /// A pattern, target or override that can't be used; `reason` says why.
    case invalid(reason: String)
  }

  /// Where, as overrides spell it: `compare[0].rank`; empty for the recipe as a whole.
  public let keyPath: String
  /// The entry within the value that the problem is about, for example a tensor pattern.
  public let subject: String?
  public let kind: Kind
  /// The `key=value` argument that set the value; nil if the file set it.
  public var override: String?

  public init(_ keyPath: String, subject: String? = nil, _ kind: Kind, override: String? = nil) {
    self.keyPath = keyPath
    self.subject = subject
    self.kind = kind
    self.override = override
  }

  public var description: String {
    let key = keyPath.isEmpty ? "recipe" : keyPath
    let place = subject.map { "\(key) '\($0)'" } ?? key
    let origin = override.map { " (override '\($0)')" } ?? ""
    return "\(place): \(kind.text)\(origin)"
  }
}

extension RecipeProblem.Kind {
  fileprivate var text: String {
    switch self {
    case .unknownKey(let suggestion?, _): "unknown key; did you mean '\(suggestion)'?"
    case .unknownKey(nil, let known): "unknown key; known here: \(known.joined(separator: ", "))"
    case .foreignKey(let owner, let current):
      "belongs to type '\(owner)', this one is '\(current)'; remove it"
    case .missing(let expected): "missing; expected \(expected)"
    case .mismatch(let found, let expected, let suggestion):
      "found \(found), expected \(expected)"
        + (suggestion.map { "; did you mean '\($0)'?" } ?? "")
    case .conflict(let other): "can't stand beside '\(other)'; keep one of the two"
    case .invalid(let reason): reason
    }
  }
}
