import Tokenizers

/// An id for each byte, with BOS and EOS behind them.
public struct EndingTokenizer: Tokenizer {
  public static let begin: Int32 = 256, end: Int32 = 257
  private let base = ByteTokenizer()

  public init() {}

  public var fingerprint: [UInt8] { base.fingerprint + [1] }
  public var vocabularySize: Int { base.vocabularySize }
  public var beginOfSequence: Int32? { Self.begin }
  public var endOfSequence: Int32? { Self.end }
  public var unknown: Int32? { nil }
  public func isControl(_ id: Int32) -> Bool { id == Self.begin || id == Self.end }
  public func controlID(_ spelling: String) -> Int32? { nil }
  public func isUnused(_ id: Int32) -> Bool { false }
  public func piece(of id: Int32) -> String { base.piece(of: id) }
  public var maximumTextBytes: Int { base.maximumTextBytes }
  public func encode(utf8 bytes: UnsafeRawBufferPointer) throws(TokenizerError) -> [Int32] {
    try base.encode(utf8: bytes)
  }
  public var allowsCuts: Bool { true }
  public func nextCut(in text: UnsafeBufferPointer<UInt8>, from position: Int) -> SegmentCut? {
    nil
  }
  public func bytes(of id: Int32) throws(TokenizerError) -> [UInt8] { base.bytes(of: id) }
  public func decodeBytes(
    _ ids: ArraySlice<Int32>, continuing: Bool
  ) throws(TokenizerError) -> [UInt8]? {
    base.decodeBytes(ids, continuing: continuing)
  }
}
