import Checkpoints
import Models
import Tensors

/// A format in which a model, or what a run changed of it, can be written. Each format has a folder
/// here and a line in `ModelExport.formats`.
public protocol ExportFormat: Sendable {
  /// The format's name, as `export --format` takes it.
  static var name: String { get }
  /// The types in which matrices can be stored, the usual one first.
  static var elementTypes: [ForeignElementType] { get }
  /// Writes a model.
  ///
  /// - Parameters:
  ///   - elementType: of matrices; one of `elementTypes`.
  ///   - path: the file or folder, which appears complete or not at all.
  /// - Returns: what a person should know, a sentence each.
  static func write(
    _ model: ExportedModel, as elementType: ForeignElementType, to path: String
  ) throws(CheckpointError) -> [String]
  /// The type in which matrices are stored where nobody asks for one: it keeps their values.
  static func usualElementType(of model: ExportedModel) -> ForeignElementType
  /// What is left of the deltas' update in matrices of a type; nil where none that they change is
  /// rounded, or where the format stores the deltas themselves.
  static func survival(
    of model: ExportedModel, as elementType: ForeignElementType
  ) -> UpdateSurvival?
  /// Reads what was written by the format's own reader.
  ///
  /// - Parameters:
  ///   - base: the checkpoint that was exported.
  ///   - temporary: the path of a file that may be written for it.
  static func readBack(
    _ path: String, base: Checkpoint, temporary: String
  ) throws(InterchangeError) -> (checkpoint: Checkpoint, deltas: [Delta])
  /// The model with the values that its matrices have when they were stored in a type.
  ///
  /// - Parameters:
  ///   - found: what reading back gave; matrices are stored in its types.
  ///   - temporary: the path of the file that is written for it.
  static func rounded(
    _ model: ExportedModel, as elementType: ForeignElementType, like found: Checkpoint,
    temporary: String
  ) throws(CheckpointError) -> (checkpoint: Checkpoint, deltas: [Delta])
}

extension ExportFormat {
  public static func usualElementType(of model: ExportedModel) -> ForeignElementType {
    model.elementType
  }

  public static func survival(
    of model: ExportedModel, as elementType: ForeignElementType
  ) -> UpdateSurvival? { nil }

  /// Imports the file or folder as a checkpoint.
  public static func readBack(
    _ path: String, base: Checkpoint, temporary: String
  ) throws(InterchangeError) -> (checkpoint: Checkpoint, deltas: [Delta]) {
    try CheckpointImport.run(
      source: path, tokenizer: nil, elementType: nil, output: temporary)
    return try InterchangeError.wrapping { () throws(CheckpointError) in
      (try Checkpoint.open(temporary), [])
    }
  }
}

/// Writes models in other programs' formats.
public enum ModelExport {
  /// All formats, one line each.
  public static let formats: [any ExportFormat.Type] = [
    HuggingFaceExport.self, GGUFExport.self, PEFTExport.self,
  ]

  /// The format of that name; nil if there is none.
  public static func format(named name: String) -> (any ExportFormat.Type)? {
    formats.first { $0.name == name }
  }
}
