/// The kind of mistake that an error reports; commands map it to their exit code in one place.
public enum FailureCategory: Sendable {
  /// Wrong arguments or a wrong recipe (sysexits 64).
  case usage
  /// Input that exists but can't be trusted or understood (65).
  case badData
  /// Input that does not exist or can't be opened (66).
  case missingInput
  /// A bug in this program (70).
  case bug
  /// Output that can't be created (73).
  case cannotCreate
  /// Reading or writing failed half-way, for example on a full disk (74).
  case inputOutput
}

/// An error for people to read: `description` says what was being done, where, what was found, what
/// was expected and what to do next. Every module's error enum conforms.
public protocol Failure: Error, CustomStringConvertible, Sendable {
  var category: FailureCategory { get }
}
