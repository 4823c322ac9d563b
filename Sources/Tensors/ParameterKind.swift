/// The kind of a parameter: matrix, table, gain or bias.
public enum ParameterKind: String, Hashable, Sendable {
  /// [out, in]; stored in f32, bf16 or int8.
  case matrix
  /// A row for each token of the vocabulary, [V, D]; stored as matrices are.
  case table
  /// The gain of a normalisation, [n] in f32.
  case gain
  /// The bias added to a linear map's output, [n] in f32.
  case bias
}
