import Storage
import Tokenizers

/// A tokenizer of another kind than SentencePiece: an id for each byte, and a few pieces that begin
/// and end inside characters, as those of byte-level vocabularies do.
package struct ByteTokenizer: SerializedTokenizer {
  package static let kind = "bytes"
  package static let fileName = "tokenizer.bytes"
  /// Behind the bytes: BOS, "a" with the first byte of "中", its other two.
  package static let begin: Int32 = 256, head: Int32 = 257, tail: Int32 = 258

  package let vocabularySize = 259
  package let beginOfSequence: Int32? = begin
  package let endOfSequence: Int32? = nil
  package let unknown: Int32? = nil
  package let maximumTextBytes = 1 << 20
  package let allowsCuts: Bool

  package init(allowsCuts: Bool = true) { self.allowsCuts = allowsCuts }
  package init(serialized: UnsafeRawBufferPointer) throws(TokenizerError) { self.init() }

  package static func vocabularySize(of serialized: UnsafeRawBufferPointer) -> Int? { nil }

  package var fingerprint: [UInt8] { ContentHash.digest(Array(Self.kind.utf8)) }
  package func isControl(_ id: Int32) -> Bool { id == Self.begin }
  package func controlID(_ spelling: String) -> Int32? { spelling == "<s>" ? Self.begin : nil }
  package func isUnused(_ id: Int32) -> Bool { id > Self.begin }
  package func piece(of id: Int32) -> String { String(decoding: bytes(of: id), as: UTF8.self) }

  package func encode(utf8 bytes: UnsafeRawBufferPointer) throws(TokenizerError) -> [Int32] {
    if let offset = firstInvalidUTF8(bytes) { throw .invalidText(offset: offset) }
    return bytes.map(Int32.init)
  }

  /// Behind every line feed.
  package func nextCut(
    in text: UnsafeBufferPointer<UInt8>, from position: Int
  ) -> SegmentCut? {
    let place = (max(1, position)..<max(1, position, text.count)).first { text[$0 - 1] == 10 }
    return place.map { SegmentCut(end: $0, next: $0) }
  }

  package func bytes(of id: Int32) -> [UInt8] {
    switch id {
    case 0..<256: [UInt8(id)]
    case Self.head: [0x61, 0xE4]
    case Self.tail: [0xB8, 0xAD]
    default: []
    }
  }

  package func decodeBytes(_ ids: ArraySlice<Int32>, continuing: Bool) -> [UInt8]? {
    guard ids.allSatisfy({ $0 >= 0 && $0 < vocabularySize }) else { return nil }
    return Array(String(decoding: ids.flatMap(bytes(of:)), as: UTF8.self).utf8)
  }
}
