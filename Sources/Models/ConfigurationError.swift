/// Why another program's description of a model can't be used. Whoever reads the file adds its path.
public enum ConfigurationError: Error, Equatable, Sendable {
  /// A member that is missing or contradicts itself.
  case damaged(field: String, found: String, expected: String)
  /// A sound description of something that is not implemented.
  case unsupported(field: String, found: String, expected: String)
}
