import Chats
import Testing

@Suite struct SequencePieceTests {
  @Test func aPieceIsPlainUnlessToldOtherwise() {
    let piece = SequencePiece(.text("a"))
    #expect(!piece.counts && !piece.continues)
    #expect(piece != SequencePiece(.control("a")))
  }
}
