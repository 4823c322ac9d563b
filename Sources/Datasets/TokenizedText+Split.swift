import Tokenizers

extension TokenizedText {
  /// Whether any document is a row of a JSON Lines file that stays whole in a window.
  public var hasRows: Bool { storage.documents.contains { $0.isRow } }

  /// Number of ids of each document.
  public var documentLengths: [Int] {
    storage.documents.indices.map { index in
      let next = index + 1 < storage.documents.count
      let end = next ? Int(storage.documents[index + 1].start) : storage.ids.count
      return end - Int(storage.documents[index].start)
    }
  }

  /// Whether there is nothing but one row, which can't be cut in two.
  var isLoneRow: Bool { storage.documents.count == 1 && storage.documents[0].isRow }

  /// Splits off the end of the text, `share` of its ids.
  ///
  /// Whole documents where they come near that (`isNear`): round(share · n) of n documents, at least
  /// one, else as many as come nearest. Where none do, as with a long last document, the text is cut
  /// behind a whole number of windows: the last that leaves the share, so that at most a window more
  /// than it is held out. A row is never cut; a lone document's last round(share · n) of n ids are
  /// held out.
  ///
  /// - Parameter sequenceLength: S, targets in a window.
  /// - Throws: `TokenizerError.outOfMemory`.
  func split(
    share: Double, sequenceLength: Int, tokenizer: any Tokenizer
  ) throws(TokenizerError) -> (train: TokenStream, validation: TokenStream) {
    let count = storage.documents.count
    if count == 1 { return try splitDocument(share: share, tokenizer: tokenizer) }
    let wanted = share * Double(storage.ids.count)
    let usual = count - min(count - 1, max(1, Int((share * Double(count)).rounded())))
    let nearest = nearestDocument(wanted)
    for document in [usual, nearest]
    where isNear(start(of: document), wanted, sequenceLength) {
      return split(at: start(of: document), document)
    }
    let windows = Int((Double(storage.ids.count) - wanted - 1) / Double(sequenceLength))
    let cut = windows * sequenceLength + 1
    let document = storage.firstDocument(after: cut + 1) - 1
    guard windows > 0, storage.ids.count - cut > 1, !storage.documents[document].isRow else {
      return split(at: start(of: nearest), nearest)
    }
    return try split(at: cut, document, tokenizer: tokenizer)
  }

  private func start(of document: Int) -> Int { Int(storage.documents[document].start) }

  /// Whether the ids from `cut` on are about as many as wanted: half as many to one and a half times
  /// as many, or a window more.
  private func isNear(_ cut: Int, _ wanted: Double, _ sequenceLength: Int) -> Bool {
    let held = Double(storage.ids.count - cut)
    return held >= 0.5 * wanted && held <= max(1.5 * wanted, wanted + Double(sequenceLength))
  }

  /// The document, not the first, from which on there are the most nearly `wanted` ids.
  private func nearestDocument(_ wanted: Double) -> Int {
    let place = Double(storage.ids.count) - wanted
    let behind = min(storage.documents.count - 1, storage.firstDocument(after: Int(place)))
    let before = max(1, behind - 1)
    let isBehind =
      behind > before
      && abs(Double(start(of: behind)) - place) <= abs(Double(start(of: before)) - place)
    return isBehind ? behind : before
  }

  /// Splits in front of a document.
  private func split(
    at cut: Int, _ document: Int
  ) -> (train: TokenStream, validation: TokenStream) {
    let held = storage.documents[document...].reduce(0) { $0 + Int($1.byteCount) }
    return split(at: cut, bytes: held, trained: document, held: storage.documents.count - document)
  }

  /// Splits inside a document, or where it begins.
  private func split(
    at cut: Int, _ document: Int, tokenizer: any Tokenizer
  ) throws(TokenizerError) -> (train: TokenStream, validation: TokenStream) {
    guard start(of: document) < cut else { return split(at: cut, document) }
    let count = storage.documents.count
    let end = document + 1 < count ? start(of: document + 1) : storage.ids.count
    let rest = storage.documents[(document + 1)...].reduce(0) { $0 + Int($1.byteCount) }
    let part = min(
      Int(storage.documents[document].byteCount), try textBytes(cut..<end, tokenizer))
    return split(at: cut, bytes: rest + part, trained: document + 1, held: count - document)
  }

  private func split(
    at cut: Int, bytes held: Int, trained: Int, held heldDocuments: Int
  ) -> (train: TokenStream, validation: TokenStream) {
    (
      TokenStream(storage, ids: 0..<cut, bytes: stream.bytes - held, documentCount: trained),
      TokenStream(
        storage, ids: cut..<storage.ids.count, bytes: held, documentCount: heldDocuments)
    )
  }

  private func splitDocument(
    share: Double, tokenizer: any Tokenizer
  ) throws(TokenizerError) -> (train: TokenStream, validation: TokenStream) {
    let count = storage.ids.count
    let cut = max(0, count - max(1, Int((share * Double(count)).rounded())))
    let bytes = min(stream.bytes, try textBytes(cut..<count, tokenizer))
    return split(at: cut, bytes: bytes, trained: 1, held: 1)
  }

  /// Bytes of text that ids in the middle of a document decode to; if normalisation changes the
  /// length of the text, the length after it.
  private func textBytes(
    _ ids: Range<Int>, _ tokenizer: any Tokenizer
  ) throws(TokenizerError) -> Int {
    var decoder = StreamingDecoder(tokenizer, continuing: true)
    var bytes = 0
    for start in stride(from: ids.lowerBound, to: ids.upperBound, by: 4096) {
      let part = storage.ids[start..<min(start + 4096, ids.upperBound)]
      bytes += try decoder.append(contentsOf: part).utf8.count
    }
    return try bytes + decoder.finish().utf8.count
  }
}
