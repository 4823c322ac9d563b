/// What kind of numbers a parameter holds.
public enum ParameterKind: String, Hashable, Sendable {
  /// [out, in]; stored in f32, bf16 or int8.
  case matrix
  /// A row for each piece of the vocabulary, [V, D]; stored as matrices are.
  case table
  /// The gain of a normalisation, [n] in f32.
  case gain
  /// What is added to a linear map's result, [n] in f32.
  case bias
}
