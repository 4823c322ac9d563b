import Storage

/// A tokenizer whose special tokens a model's own files settled: another one's ids of text, with
/// these for the start and the end of sequences.
public struct SettledTokenizer: Tokenizer {
  public let beginOfSequence: Int32?
  public let endOfSequence: Int32?
  public let endsOfText: [Int32]
  public let continuesBehindControls: Bool
  public let fingerprint: [UInt8]
  private let base: any Tokenizer

  /// - Parameters:
  ///   - base: gives the ids of text.
  ///   - beginOfSequence: the id before every document; nil if documents get none.
  ///   - endOfSequence: the id after a document; nil if there is none.
  ///   - endsOfText: the ids that end generated text.
  ///   - continuesBehindControls: nil for what the other tokenizer says.
  public init(
    _ base: any Tokenizer, beginOfSequence: Int32?, endOfSequence: Int32?, endsOfText: [Int32],
    continuesBehindControls: Bool? = nil
  ) {
    self.base = base
    self.beginOfSequence = beginOfSequence
    self.endOfSequence = endOfSequence
    self.endsOfText = endsOfText
    // Tokenized text keeps its name in caches where nothing in it changes.
    let continues = continuesBehindControls ?? base.continuesBehindControls
    self.continuesBehindControls = continues
    let changesSpaces = continues != base.continuesBehindControls
    let changes =
      beginOfSequence != base.beginOfSequence || endOfSequence != base.endOfSequence
      || changesSpaces
    let ends =
      "begin \(beginOfSequence ?? -1) end \(endOfSequence ?? -1)"
      + (changesSpaces ? " continues \(continues)" : "")
    fingerprint =
      changes ? ContentHash.digest(base.fingerprint + Array(ends.utf8)) : base.fingerprint
  }

  public var vocabularySize: Int { base.vocabularySize }
  public var unknown: Int32? { base.unknown }
  public var maximumTextBytes: Int { base.maximumTextBytes }
  public var allowsCuts: Bool { base.allowsCuts }

  public func isControl(_ id: Int32) -> Bool { base.isControl(id) }
  public func isUnused(_ id: Int32) -> Bool { base.isUnused(id) }
  public func controlID(_ spelling: String) -> Int32? { base.controlID(spelling) }
  public func spaces(of id: Int32) -> ControlSpaces? { base.spaces(of: id) }
  public func piece(of id: Int32) -> String { base.piece(of: id) }
  public func bytes(of id: Int32) throws(TokenizerError) -> [UInt8] { try base.bytes(of: id) }

  public func encode(utf8 bytes: UnsafeRawBufferPointer) throws(TokenizerError) -> [Int32] {
    // Where only the first text gets a space, one that has it gets none.
    continuesBehindControls && bytes.first == 0x20
      ? try base.encodeContinuing(utf8: bytes) : try base.encode(utf8: bytes)
  }

  public func releaseCaches() { base.releaseCaches() }

  public func encodeContinuing(
    utf8 bytes: UnsafeRawBufferPointer
  ) throws(TokenizerError) -> [Int32] {
    try base.encodeContinuing(utf8: bytes)
  }

  public func nextCut(
    in text: UnsafeBufferPointer<UInt8>, from position: Int
  ) -> SegmentCut? {
    base.nextCut(in: text, from: position)
  }

  public var allowsJoints: Bool { base.allowsJoints }

  public func nextJoint(
    in text: UnsafeBufferPointer<UInt8>, from position: Int
  ) -> SegmentCut? {
    base.nextJoint(in: text, from: position)
  }

  public func decodeBytes(
    _ ids: ArraySlice<Int32>, continuing: Bool
  ) throws(TokenizerError) -> [UInt8]? {
    try base.decodeBytes(ids, continuing: continuing)
  }
}
