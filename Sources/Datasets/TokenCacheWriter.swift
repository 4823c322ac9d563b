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

  init(_ cache: TokenCache) {
    self.cache = cache
    encoder = SegmentedEncoder(cache.tokenizer)
    total = cache.files.reduce(0) { $0 + $1.bytes.count }
  }

  /// Writes the complete file or nothing.
  /// - Throws: `DatasetError`.
  mutating func write(progress: TextProgress) throws(DatasetError) {
    do {
      let output = try AtomicFile(path: cache.path)
      try output.pad(to: TokenCache.headerBytes)
      var done = 0
      let total = total
      for file in cache.files {
        try encode(file, to: output) { progress(done + $0, total) }
        done += file.bytes.count
        progress(done, total)
      }
      try finish(output)
    } catch let error as DatasetError {
      throw error
    } catch let error as StorageError {
      throw .storage(error)
    } catch {
      throw .storage(.writeFailed(path: cache.path, reason: "\(error)"))
    }
  }

  private mutating func encode(
    _ file: MappedFile, to output: AtomicFile, progress: (Int) -> Void
  ) throws {
    var reader = DocumentReader(file, separator: cache.encoding.separator)
    while let document = reader.next() {
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
      }
    }
  }

  private func failure(
    _ error: TokenizerError, _ file: MappedFile, _ document: Range<Int>
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
    var header = TokenCache.magic
    for word in [TokenCache.format, 0] {
      withUnsafeBytes(of: word.littleEndian) { header += $0 }
    }
    header += cache.key
    for number in [idCount, documents.count] {
      withUnsafeBytes(of: UInt64(number).littleEndian) { header += $0 }
    }
    header += hash.finish()
    try output.overwrite(header, at: 0)
    try output.commit()
  }
}
