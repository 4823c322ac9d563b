import Generation
import Tokenizers

extension KnownTokens {
  /// The ids that a tokenizer has pieces for.
  init(_ tokenizer: any Tokenizer) {
    let gaps = (0..<Int32(tokenizer.vocabularySize)).filter {
      tokenizer.isUnused($0) && tokenizer.piece(of: $0).isEmpty
    }
    self.init(count: tokenizer.vocabularySize, gaps: gaps.map(Int.init))
  }
}
