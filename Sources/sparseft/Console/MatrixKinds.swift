import Tensors

/// Matrices by kind, for people: "attention.value 30, mlp.down 5".
struct MatrixKinds: CustomStringConvertible {
  let description: String

  /// - Parameter matrices: paths.
  init(_ matrices: some Sequence<String>) {
    let kinds = Dictionary(grouping: matrices, by: Self.kind)
    description = kinds.sorted { (-$0.value.count, $0.key) < (-$1.value.count, $1.key) }
      .map { "\($0.key) \($0.value.count)" }.joined(separator: ", ")
  }

  /// What a matrix is in its block, or in the model.
  static func kind(of matrix: String) -> String { ParameterPath(matrix)?.role.rawValue ?? matrix }
}
