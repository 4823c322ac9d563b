/// A vocabulary as a GGUF file's metadata lists it (`tokenizer.ggml.*`): pieces by id, what they are
/// joined by, and the special ids.
public struct VocabularyTable: Hashable, Sendable {
  /// The algorithm's name, `tokenizer.ggml.model`: "llama" for a SentencePiece model, "gpt2" for
  /// byte-level BPE.
  public var model: String
  /// The name of the rules that split text before merging, `tokenizer.ggml.pre`; nil if absent.
  public var preTokenizer: String?
  /// The spelling of each id, in the order of ids.
  public var pieces: [String]
  /// Scores by id; empty if the file has none.
  public var scores: [Float]
  /// What kind of piece each id is, numbered as SentencePiece does: 1 normal, 2 unknown, 3 control,
  /// 4 user-defined, 5 unused, 6 byte; empty if the file has none.
  public var types: [Int32]
  /// Pairs of pieces with a space between them, the most preferred first; empty if there are none.
  public var merges: [String]
  /// Whether a text gets a space before its first word; nil if the file does not say.
  public var addsSpacePrefix: Bool?
  /// Whether runs of white space become one space; nil if the file does not say.
  public var removesExtraSpaces: Bool?
  /// BOS; nil if there is none.
  public var beginOfSequence: Int32?
  /// EOS; nil if there is none.
  public var endOfSequence: Int32?
  /// The id that ends a turn of a chat; nil if there is none.
  public var endOfTurn: Int32?
  /// The id of text outside the vocabulary; nil if there is none.
  public var unknown: Int32?
  /// The id that fills rows of batches; nil if there is none.
  public var padding: Int32?
  /// Whether a text begins with BOS; nil if the file does not say.
  public var addsBeginOfSequence: Bool?
  /// Whether a text ends with EOS; nil if the file does not say.
  public var addsEndOfSequence: Bool?

  /// A table of pieces; everything else is empty or nil and may be set afterwards.
  public init(model: String, preTokenizer: String? = nil, pieces: [String]) {
    self.model = model
    self.preTokenizer = preTokenizer
    self.pieces = pieces
    (scores, types, merges) = ([], [], [])
  }
}

extension VocabularyTable {
  /// The kinds of pieces, as SentencePiece numbers them.
  enum PieceType {
    static let normal: Int32 = 1, unknown: Int32 = 2, control: Int32 = 3
    static let userDefined: Int32 = 4, unused: Int32 = 5, byte: Int32 = 6
  }

  /// The kind of a piece; normal where the table does not say.
  func type(of id: Int) -> Int32 { types.isEmpty ? PieceType.normal : types[id] }
}
