import Chats
import Storage
import Tokenizers

/// Encodes text files into a token cache, document by document, in bounded memory.
struct TokenCacheWriter {
  private let cache: TokenCache
  private let hash = ContentHash()
  private let total: Int
  private var encoder: SegmentedEncoder
  private var idCount = 0
  private var documents: [DocumentRecord] = []
  /// The ids that count, as ranges in order.
  private var counted: [Range<Int>] = []

  init(_ cache: TokenCache) {
    self.cache = cache
    encoder = SegmentedEncoder(cache.tokenizer)
    total = cache.files.reduce(0) { $0 + $1.identity.count }
  }

  /// Writes the whole file; to give it its name is left to the caller.
  /// - Throws: `DatasetError`.
  mutating func write(
    to output: AtomicFile, progress: TextProgress
  ) throws(DatasetError) {
    do {
      try output.pad(to: TokenCache.headerBytes)
      var done = 0
      let total = total
      for source in cache.files {
        let file = try TextFile(path: source.path)
        guard file.identity == source.identity else {
          throw DatasetError.changed(path: source.path)
        }
        if RowReader.isRows(file.path) {
          try encodeRows(of: file, to: output) { progress(done + $0, total) }
        } else {
          try encode(file, to: output) { progress(done + $0, total) }
        }
        done += file.count
        progress(done, total)
        try check(file, source)
      }
      try finish(output)
    } catch let error as DatasetError {
      throw error
    } catch let error as StorageError {
      throw .storage(error)
    } catch {
      throw .storage(.writeFailed(path: output.path, reason: "\(error)"))
    }
  }

  /// Checks that what was encoded is what was hashed.
  private func check(_ file: TextFile, _ source: TokenCache.Source) throws(DatasetError) {
    try file.checkUnchanged()
    guard let digest = source.digest else { return }
    let hash = ContentHash()
    try file.add(to: hash)
    guard hash.finish() == digest else { throw .changed(path: file.path) }
  }

  private mutating func encode(
    _ file: TextFile, to output: AtomicFile, progress: (Int) -> Void
  ) throws {
    var reader = DocumentReader(file, separator: cache.encoding.separator)
    while let document = try reader.next() {
      let start = idCount
      if let begin = cache.tokenizer.beginOfSequence { try put([begin], to: output) }
      var offset = document.lowerBound
      do {
        try file.forEachChunk(of: document) { chunk in
          try put(try encoder.append(chunk), to: output)
          offset += chunk.count
          progress(offset)
        }
        try put(try encoder.finish(), to: output)
      } catch let error as TokenizerError {
        throw failure(error, file, document)
      }
      if cache.encoding.appendEOS, let end = cache.tokenizer.endOfSequence {
        try put([end], to: output)
      }
      // Text of white space only may give no ids if there is also no BOS.
      if idCount > start {
        documents.append(.init(start: UInt64(start), byteCount: UInt64(document.count)))
        count(start..<idCount)
      }
    }
  }

  private mutating func encodeRows(
    of file: TextFile, to output: AtomicFile, progress: (Int) -> Void
  ) throws {
    var reader = try RowReader(file)
    while let row = try reader.next() {
      do {
        try encode(row, to: output)
      } catch let error as ChatError {
        throw DatasetError.chat(path: file.path, line: reader.line, error: error)
      } catch TokenizerError.outOfMemory(let action) {
        throw DatasetError.tokenizer(path: file.path, error: .outOfMemory(action: action))
      } catch let error as TokenizerError {
        throw DatasetError.row(path: file.path, line: reader.line, problem: error.description)
      }
      progress(reader.position)
    }
  }

  /// Encodes a row; an empty text is none.
  private mutating func encode(_ row: TextRow, to output: AtomicFile) throws {
    if case .text("") = row { return }
    let start = idCount
    var byteCount = 0
    let encoding = cache.encoding
    var sequences = SequenceEncoder(cache.tokenizer)
    for piece in sequences.resolved(try encoding.rows.pieces(of: row)) {
      let first = idCount
      try sequences.encode(piece) { try put($0, to: output) }
      if encoding.rows.trainOn == .all || piece.counts || row.shape == .text {
        if case .text(let text) = piece.content { byteCount += text.utf8.count }
        count(first..<idCount)
      }
    }
    if row.shape == .text, encoding.appendEOS, let end = cache.tokenizer.endOfSequence {
      count(idCount..<idCount + 1)
      try put([end], to: output)
    }
    if idCount > start {
      documents.append(
        .init(
          start: UInt64(start), byteCount: UInt64(byteCount), kind: row.shape == .text ? 0 : 1))
    }
  }

  private mutating func count(_ ids: Range<Int>) {
    if let last = counted.last, last.upperBound == ids.lowerBound {
      counted[counted.count - 1] = last.lowerBound..<ids.upperBound
    } else if !ids.isEmpty {
      counted.append(ids)
    }
  }

  private func failure(
    _ error: TokenizerError, _ file: TextFile, _ document: Range<Int>
  ) -> DatasetError {
    guard case .invalidText(let offset) = error else {
      return .tokenizer(path: file.path, error: error)
    }
    return .notText(
      path: file.path, offset: document.lowerBound + offset, found: "a byte that is not UTF-8")
  }

  private mutating func put(_ ids: [Int32], to output: AtomicFile) throws {
    idCount += ids.count
    try ids.withUnsafeBytes { bytes in
      hash.update(bytes)
      try output.write(bytes)
    }
  }

  private func finish(_ output: AtomicFile) throws {
    let padding = [UInt8](
      repeating: 0, count: TokenCache.documentsOffset(ids: idCount) - output.position)
    hash.update(padding)
    try output.write(padding)
    try documents.withUnsafeBytes { bytes in
      hash.update(bytes)
      try output.write(bytes)
    }
    let mask = try writeMask(to: output)
    var header = TokenCache.magic
    for word in [TokenCache.format, 0] {
      withUnsafeBytes(of: word.littleEndian) { header += $0 }
    }
    header += cache.key
    for number in [idCount, documents.count] {
      withUnsafeBytes(of: UInt64(number).littleEndian) { header += $0 }
    }
    header += hash.finish()
    withUnsafeBytes(of: UInt64(mask).littleEndian) { header += $0 }
    try output.overwrite(header, at: 0)
  }

  /// Writes a byte for each id, if some don't count; returns their number.
  private func writeMask(to output: AtomicFile) throws -> Int {
    guard counted != (idCount > 0 ? [0..<idCount] : []) else { return 0 }
    func put(_ value: UInt8, _ count: Int) throws {
      for start in stride(from: 0, to: count, by: 1 << 16) {
        let bytes = [UInt8](repeating: value, count: min(1 << 16, count - start))
        hash.update(bytes)
        try output.write(bytes)
      }
    }
    var position = 0
    for range in counted {
      try put(0, range.lowerBound - position)
      try put(1, range.count)
      position = range.upperBound
    }
    try put(0, idCount - position)
    return idCount
  }
}
