import Storage
import Tensors
import Tokenizers

/// The source of validation text.
public enum ValidationSource: Sendable, Hashable {
  case none
  /// A share of the training text's ids in [0, 1), from its end: whole documents as far as they come
  /// near it (`TokenizedText.split`).
  case fraction(Double)
  /// Paths of separate files.
  case files([String])
}

/// The text of a list of paths, tokenized into one stream of ids.
public struct TokenizedText: Sendable {
  /// All documents concatenated in the order of the files; rows are not packed yet.
  public let stream: TokenStream
  /// Paths of the files read.
  public let files: [String]
  /// Warnings for the user: skipped files, and what the files hold that may not be meant.
  public let warnings: [String]
  let storage: TokenStorage

  /// Reads and encodes the text, or loads its ids from the cache.
  /// - Parameters:
  ///   - paths: files, folders and patterns (see `TextFiles`).
  ///   - base: the folder that paths are relative to.
  ///   - use: the text's purpose in messages, such as "training".
  ///   - excluding: files and folders that are no text unless they are named.
  ///   - cacheFolder: created if missing; holds one file per list of files and encoding. Nil keeps
  ///     nothing, and looks for nothing.
  ///   - keepsCache: false removes an earlier file as soon as it is mapped, and leaves no new one.
  /// - Throws: `DatasetError`.
  public static func prepare(
    _ paths: [String], relativeTo base: String = "", use: String, encoding: TextEncoding,
    excluding: [ExcludedPath] = [], tokenizer: any Tokenizer, cacheFolder: String?,
    keepsCache: Bool = true, progress: TextProgress = { _, _ in }
  ) throws(DatasetError) -> TokenizedText {
    if encoding.appendEOS, tokenizer.endOfSequence == nil { throw .noEndOfSequence }
    let text = try TextFiles.resolve(
      paths, relativeTo: base, excluding: excluding, separator: encoding.separator)
    let storage = try TokenCache(
      text.files, tokenizer: tokenizer, encoding: encoding, folder: cacheFolder,
      keepsFile: keepsCache
    ).load(progress: progress)
    guard !storage.documents.isEmpty else { throw .noDocuments(use: use) }
    let stream = TokenStream(
      storage, ids: 0..<storage.ids.count,
      bytes: storage.documents.reduce(0) { $0 + Int($1.byteCount) },
      documentCount: storage.documents.count)
    return TokenizedText(
      stream: stream, files: text.files,
      warnings: text.skipped.map(\.description)
        + text.findings.warnings(use, separator: encoding.separator, tokenizer: tokenizer),
      storage: storage)
  }
}

/// Training and validation text, ready to be cut into windows.
public struct Corpus: Sendable {
  public let train: TokenStream
  /// Validation text; nil if there is none.
  public let validation: TokenStream?
  /// Warnings for the user: skipped files, what files hold that may not be meant, files in both lists,
  /// validation shorter than a window or that repeats training text, rows longer than a window.
  public let warnings: [String]

  /// Whether only their owner may read some of the files.
  public private(set) var isPrivate = false

  /// Bytes of training text.
  public var trainBytes: Int { train.bytes }
  /// Bytes of validation text; 0 if there is none.
  public var validationBytes: Int { validation?.bytes ?? 0 }

  /// Prepares both texts.
  /// - Parameters:
  ///   - train: files, folders and patterns, resolved against `base`.
  ///   - sequenceLength: S; the training text must fill at least one window.
  ///   - rows: how rows of JSON Lines files are written, and which of their tokens count.
  ///   - longRows: what happens to rows longer than a window.
  ///   - excluding: files and folders that are no text unless they are named, such as the recipe.
  ///   - keepsCache: false removes earlier files of ids as soon as they are mapped, and leaves no new
  ///     ones.
  ///   - progress: called while text is encoded; never if the ids are in the cache.
  /// - Throws: `DatasetError`; `.tooShort` if the text fills no window.
  public static func prepare(
    train: [String], validation: ValidationSource, relativeTo base: String = "",
    sequenceLength: Int, separator: String? = nil, appendEOS: Bool = false,
    rows: RowEncoding = .init(), longRows: LongRows = .split, excluding: [ExcludedPath] = [],
    tokenizer: any Tokenizer, cacheFolder: String, keepsCache: Bool = true,
    progress: TextProgress = { _, _ in }
  ) throws(DatasetError) -> Corpus {
    precondition(sequenceLength > 0, "sequence length \(sequenceLength)")
    if case .fraction(let share) = validation, !(share >= 0 && share < 1) {
      throw .invalidFraction(share)
    }
    let encoding = TextEncoding(separator: separator, appendEOS: appendEOS, rows: rows)
    var files: [String] = []
    func read(_ paths: [String], _ use: String) throws(DatasetError) -> TokenizedText {
      let text = try TokenizedText.prepare(
        paths, relativeTo: base, use: use, encoding: encoding, excluding: excluding,
        tokenizer: tokenizer, cacheFolder: cacheFolder, keepsCache: keepsCache, progress: progress)
      files += text.files
      return text
    }
    let text = try read(train, "training")
    let split = try split(
      text, validation, sequenceLength: sequenceLength, tokenizer: tokenizer
    ) { (paths) throws(DatasetError) in try read(paths, "validation") }
    var corpus = try packed(split, sequenceLength: sequenceLength, longRows: longRows)
    corpus.isPrivate = files.contains { Folder.isPrivate($0) }
    return corpus
  }

  /// Takes validation text from the training text, or reads other files.
  private static func split(
    _ text: TokenizedText, _ validation: ValidationSource, sequenceLength: Int,
    tokenizer: any Tokenizer, read: ([String]) throws(DatasetError) -> TokenizedText
  ) throws(DatasetError) -> Corpus {
    switch validation {
    case .none: return Corpus(train: text.stream, validation: nil, warnings: text.warnings)
    case .fraction(let share) where share == 0 || text.isLoneRow:
      let warnings =
        share > 0 ? ["the training text is one row, so there is no validation"] : []
      return Corpus(train: text.stream, validation: nil, warnings: text.warnings + warnings)
    case .fraction(let share):
      do {
        let split = try text.split(
          share: share, sequenceLength: sequenceLength, tokenizer: tokenizer)
        return Corpus(train: split.train, validation: split.validation, warnings: text.warnings)
      } catch {
        throw .tokenizer(path: text.files.last ?? "", error: error)
      }
    case .files(let paths):
      let other = try read(paths)
      let both = Set(text.files).intersection(other.files).sorted()
      return Corpus(
        train: text.stream, validation: other.stream,
        warnings: text.warnings + other.warnings
          + both.map { "'\($0)' is both training and validation text" })
    }
  }

  /// Packs rows into windows and checks that there is enough text.
  private static func packed(
    _ split: Corpus, sequenceLength: Int, longRows: LongRows
  ) throws(DatasetError) -> Corpus {
    let pack = { (stream: TokenStream) in
      stream.packed(sequenceLength: sequenceLength, longRows: longRows)
    }
    let (train, held) = (pack(split.train), split.validation.map(pack))
    var warnings = split.warnings + Self.warnings(train, "training", sequenceLength)
    try check(train, "training", needed: sequenceLength + 1, sequenceLength)
    if let held {
      warnings += Self.warnings(held, "validation", sequenceLength)
      try check(held, "validation", needed: 2, sequenceLength)
      if held.packing == nil, held.count <= sequenceLength {
        warnings.append(
          "the validation text, \(held.count) ids, is shorter than a window of "
            + "\(sequenceLength + 1)")
      }
      if let repeated = RepeatedText(held, in: train) { warnings.append(repeated.warning) }
    }
    return Corpus(train: train, validation: held, warnings: warnings)
  }

  /// What packing rows into windows lost or cut.
  private static func warnings(
    _ stream: TokenStream, _ use: String, _ sequenceLength: Int
  ) -> [String] {
    guard let report = stream.packing?.report else { return [] }
    var warnings: [String] = []
    if report.droppedRows > 0 {
      warnings.append(
        "\(report.droppedRows) of \(report.rows) \(use) rows are longer than a window of "
          + "\(sequenceLength) tokens and were dropped: \(report.lostTokens) tokens lost; raise "
          + "data.sequence_length to keep them")
    }
    if report.splitRows > 0 {
      warnings.append(
        "\(report.splitRows) of \(report.rows) \(use) rows are longer than a window of "
          + "\(sequenceLength) tokens and were split: 0 tokens lost, but what is behind a cut is read "
          + "without what is before it; raise data.sequence_length to keep them whole")
    }
    return warnings
  }

  /// Prepares a text to be scored as a whole, in windows of S tokens. Its ids are in a file without a
  /// name in the folder for temporary files.
  /// - Throws: `DatasetError`; `.tooShort` for a text without a target.
  public static func forScoring(
    _ paths: [String], sequenceLength: Int, separator: String? = nil, rows: RowEncoding = .init(),
    excluding: [ExcludedPath] = [], tokenizer: any Tokenizer
  ) throws(DatasetError) -> Corpus {
    let text = try TokenizedText.prepare(
      paths, use: "text", encoding: TextEncoding(separator: separator, rows: rows),
      excluding: excluding, tokenizer: tokenizer, cacheFolder: nil, keepsCache: false)
    let stream = text.stream.packed(sequenceLength: sequenceLength, longRows: .split)
    try check(stream, "text", needed: 2, sequenceLength)
    var corpus = Corpus(
      train: stream, validation: nil,
      warnings: text.warnings + warnings(stream, "scored", sequenceLength))
    corpus.isPrivate = text.files.contains { Folder.isPrivate($0) }
    return corpus
  }

  private static func check(
    _ stream: TokenStream, _ use: String, needed: Int, _ sequenceLength: Int
  ) throws(DatasetError) {
    if stream.packing != nil {
      guard stream.scoredCount > 0 else { throw .noTargets(use: use) }
      return
    }
    guard stream.count < needed else { return }
    throw .tooShort(
      use: use, idCount: stream.count, needed: needed, sequenceLength: sequenceLength)
  }
}
