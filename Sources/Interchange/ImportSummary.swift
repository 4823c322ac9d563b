import Checkpoints
import Models
import Tensors

/// What an import wrote.
public struct ImportSummary {
  /// The content hash of the new checkpoint.
  public let contentHash: String
  /// The element type of its matrices.
  public let elementType: ElementType
  /// How far rounding moved the values of each kind of matrix, such as "mlp.down", in the order of
  /// the file; empty if no matrix was rounded.
  public let rounding: [(matrix: String, sums: RoundingErrors.Sums)]

  /// What a person should know of how the source was read, a sentence each.
  public let notes: [String]

  init(
    contentHash: String, elementType: ElementType, rounding errors: RoundingErrors,
    notes: [String]
  ) {
    self.notes = notes
    self.contentHash = contentHash
    self.elementType = elementType
    var rounding: [(matrix: String, sums: RoundingErrors.Sums)] = []
    for (name, sums) in errors.tensors where sums.largestError > 0 {
      let matrix = ParameterPath(name)?.role.rawValue ?? name
      if let place = rounding.firstIndex(where: { $0.matrix == matrix }) {
        rounding[place].sums.add(sums)
      } else {
        rounding.append((matrix, sums))
      }
    }
    self.rounding = rounding
  }
}
