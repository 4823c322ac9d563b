import Checkpoints
import Models
import Storage
import Tensors

/// A model in another format, opened and checked; its weights are read on demand.
public struct ImportedModel {
  /// The model's shape.
  public let configuration: ModelConfiguration
  /// The vocabulary that came with the weights; nil if the source has none.
  public var vocabulary: (any ImportedVocabulary)?
  /// The narrowest element type that holds the source's matrices exactly.
  public let elementType: ElementType
  /// What of the source is not imported, in words; nil if all of it is.
  public var leftOut: String?
  /// What a person should know of how the source was read, a sentence each.
  public var notes: [String] = []
  /// The elements of the named parameter, with rotary rows in the halves layout.
  public let tensors: (_ name: String) throws(CheckpointError) -> TensorSource
}

/// A vocabulary in another program's file, checked as far as the file's format goes.
public protocol ImportedVocabulary: Sendable {
  /// The tokenizer as checkpoints store it.
  func imported() throws(InterchangeError) -> ImportedTokenizer
  /// What the source says beside the vocabulary, for another tokenizer in its place: of the special
  /// tokens, those that this one has.
  /// - Parameter stored: the other tokenizer, checked, with settings that are replaced.
  func settings(
    for stored: StoredTokenizer
  ) throws(InterchangeError) -> (settings: TokenizerSettings, leftOut: [String])
}

/// A tokenizer taken from another program's files.
public struct ImportedTokenizer: Sendable {
  public var stored: StoredTokenizer
  /// What is not taken, in words.
  public var leftOut: [String]

  public init(_ stored: StoredTokenizer, leftOut: [String] = []) {
    self.stored = stored
    self.leftOut = leftOut
  }
}

/// A checkpoint format that can be imported. Each format has a folder here and a line in
/// `CheckpointImport.formats`.
public protocol ImportFormat: Sendable {
  /// The format's name in messages and in a checkpoint's metadata.
  static var origin: CheckpointOrigin { get }
  /// Whether the bytes at `source` look like this format; `open` does the real checks.
  static func recognises(_ source: ImportSource) -> Bool
  /// Opens and checks a source.
  static func open(_ source: ImportSource) throws(CheckpointError) -> ImportedModel
}

/// The folder or file to import.
public enum ImportSource {
  /// A folder's path, without a slash at the end.
  case folder(String)
  /// A mapped file.
  case file(MappedFile)

  /// The path as given.
  public var path: String {
    switch self {
    case .folder(let path): path
    case .file(let file): file.path
    }
  }
}

/// Converts other programs' checkpoints to `.sfckpt` files.
public enum CheckpointImport {
  /// All known formats; the first one that recognises a source imports it.
  static var formats: [any ImportFormat.Type] {
    [HuggingFaceFormat.self, GGUFFormat.self, Llama2cFormat.self]
  }

  /// Imports a checkpoint.
  ///
  /// - Parameters:
  ///   - source: a Hugging Face folder, a GGUF file or a llama2.c file.
  ///   - tokenizer: path of a tokenizer file; required if the source has none.
  ///   - elementType: element type of matrices; nil keeps one that holds the source's exactly.
  ///   - output: the `.sfckpt` file to write.
  /// - Throws: `InterchangeError`.
  @discardableResult
  public static func run(
    source path: String, tokenizer: String?, elementType: ElementType?, output: String
  ) throws(InterchangeError) -> ImportSummary {
    let (format, model) = try InterchangeError.wrapping { () throws(CheckpointError) in
      let source = try open(path)
      guard let format = formats.first(where: { $0.recognises(source) }) else {
        throw .wrongKind(
          path: path, found: "a format that is not known",
          expected: formats.map { $0.origin.rawValue }.joined(separator: " or "))
      }
      return (format, try format.open(source))
    }
    let tokenizer = try importedTokenizer(of: model, at: path, named: tokenizer)
    let rounding = RoundingErrors()
    var metadata: JSONObject = ["format": .string(format.origin.rawValue)]
    let leftOut = (model.leftOut.map { [$0] } ?? []) + tokenizer.leftOut
    if !leftOut.isEmpty { metadata["left_out"] = .string(leftOut.joined(separator: ", ")) }
    let hash = try InterchangeError.wrapping { () throws(CheckpointError) in
      try CheckpointWriter.write(
        to: output, configuration: model.configuration, tokenizer: tokenizer.stored,
        metadata: metadata, elementType: elementType ?? model.elementType, rounding: rounding,
        finiteSource: path, tensors: model.tensors)
    }
    return ImportSummary(
      contentHash: hash, elementType: elementType ?? model.elementType, rounding: rounding,
      notes: model.notes)
  }

  /// The tokenizer named by the caller, or else the source's own; in both cases with what the source
  /// says beside it.
  private static func importedTokenizer(
    of model: ImportedModel, at path: String, named file: String?
  ) throws(InterchangeError) -> ImportedTokenizer {
    if file == nil, let vocabulary = model.vocabulary { return try vocabulary.imported() }
    var tokenizer = try TokenizerFile.read(
      file, for: path, vocabularySize: model.configuration.vocabularySize)
    guard let vocabulary = model.vocabulary else { return tokenizer }
    let (settings, leftOut) = try vocabulary.settings(for: tokenizer.stored)
    tokenizer.stored.settings = settings
    tokenizer.leftOut += leftOut
    return tokenizer
  }

  private static func open(_ path: String) throws(CheckpointError) -> ImportSource {
    do {
      return .file(try MappedFile(path: path))
    } catch StorageError.notAFile(_, "a folder") {
      var folder = path
      while folder.count > 1, folder.hasSuffix("/") { folder.removeLast() }
      return .folder(folder)
    } catch {
      throw .storage(error)
    }
  }
}
