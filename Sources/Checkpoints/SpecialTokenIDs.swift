/// The tokens that begin and end sequences, by a tokenizer's bytes and what a model's files say
/// beside them.
public struct SpecialTokenIDs: Hashable, Sendable {
  /// BOS, whether or not documents get one; nil if there is none.
  public let begin: Int32?
  /// EOS; nil if there is none.
  public let end: Int32?
  /// Whether documents and prompts begin with BOS.
  public let addsBegin: Bool
  /// EOS, then the other ids that end generated text, each once.
  public let ends: [Int32]

  /// - Parameters:
  ///   - begin: BOS by the tokenizer's bytes.
  ///   - end: EOS by the tokenizer's bytes.
  public init(_ settings: TokenizerSettings, begin: Int32?, end: Int32?) {
    self.begin = settings.beginOfSequence.id(stored: begin)
    self.end = settings.endOfSequence.id(stored: end)
    addsBegin = self.begin != nil && settings.addsBeginOfSequence
    var ends: [Int32] = []
    for id in [self.end].compactMap({ $0 }) + settings.endsOfText where !ends.contains(id) {
      ends.append(id)
    }
    self.ends = ends
  }
}

extension TokenizerSettings.SpecialToken {
  /// The id; nil if there is none.
  /// - Parameter stored: the id by the tokenizer's bytes.
  fileprivate func id(stored: Int32?) -> Int32? {
    switch self {
    case .stored: stored
    case .absent: nil
    case .id(let id): id
    }
  }
}
