/// A part of a sequence that a model reads: text, or a token that no text is encoded as.
public struct SequencePiece: Hashable, Sendable {
  /// What a piece is.
  public enum Content: Hashable, Sendable {
    /// BOS; nothing for a tokenizer whose sequences begin without it.
    case begin
    /// EOS.
    case end
    /// The control token of that spelling; its text where the tokenizer has no such token.
    case control(String)
    /// Text, encoded by itself.
    case text(String)
  }

  public var content: Content
  /// Whether its tokens are targets that count.
  public var counts: Bool
  /// Whether the text goes on from the piece before it, so that no tokenizer puts a space between.
  public var continues: Bool
  /// Whether a control token before the text takes the white space between them with it, where the
  /// tokenizer does not say.
  public var isStripped: Bool
  /// Whether a chat's template writes BOS; else it stands before whatever the chat begins with.
  public var isWritten: Bool

  public init(
    _ content: Content, counts: Bool = false, continues: Bool = false, isStripped: Bool = false,
    isWritten: Bool = false
  ) {
    self.content = content
    self.counts = counts
    self.continues = continues
    self.isStripped = isStripped
    self.isWritten = isWritten
  }
}
