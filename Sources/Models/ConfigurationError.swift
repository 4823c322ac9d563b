/// Why another program's model configuration can't be used. The reader of the file adds its path.
public enum ConfigurationError: Error, Equatable, Sendable {
  /// A member that is missing or contradicts itself.
  case damaged(field: String, found: String, expected: String)
  /// A valid configuration of a model that is not implemented.
  case unsupported(field: String, found: String, expected: String)
}
