import Storage
import Tensors
import Tokenizers

#if canImport(Glibc)
  import Glibc
#endif

/// How text is encoded as ids, besides the tokenizer.
public struct TextEncoding: Sendable, Hashable {
  /// Text between the documents of a file; nil if each file is one document.
  public var separator: String?
  /// Whether EOS is appended to every document.
  public var appendEOS: Bool
  /// How rows of JSON Lines files are written, and which of their tokens count.
  public var rows: RowEncoding

  public init(separator: String? = nil, appendEOS: Bool = false, rows: RowEncoding = .init()) {
    self.separator = separator?.isEmpty == true ? nil : separator
    self.appendEOS = appendEOS
    self.rows = rows
  }
}

/// Called with the bytes of text encoded so far and in total.
public typealias TextProgress = (_ done: Int, _ total: Int) -> Void

/// The ids of a list of text files, kept in a mapped file that is written once. Ids are the text in
/// another spelling, so that only the user may read the file.
///
/// The file's name is a SHA-256 over all that the ids depend on: the files' contents, the tokenizer,
/// the encoding and this format. It holds, little-endian:
///
///     0   "sfTokens", UInt32 format, UInt32 0
///     16  key, 32 bytes
///     48  UInt64 number of ids, UInt64 number of documents
///     64  SHA-256 of everything from byte 128 on
///     96  UInt64 length of the loss mask: 0 or the number of ids; zeros up to 128
///     128 ids, Int32 each; zeros up to a multiple of 8
///     ... documents, UInt64 start, bytes and kind each
///     ... the loss mask, a byte 0 or 1 for each id
struct TokenCache {
  /// Format version; raised when the same key would give different bytes.
  static let format: UInt32 = 4
  static let magic = Array("sfTokens".utf8)
  static let headerBytes = 128
  /// Bytes of text that can be: their sum over the documents is used in arithmetic.
  private static let textLimit: UInt64 = 1 << 48
  static let recordBytes = MemoryLayout<DocumentRecord>.stride

  /// A text file as it was when its contents were hashed.
  struct Source {
    let path: String
    let identity: FileIdentity
    /// A hash of the file alone, where its times may not tell that it was written to again.
    let digest: [UInt8]?
  }

  let files: [Source]
  let tokenizer: any Tokenizer
  let encoding: TextEncoding
  let key: [UInt8]
  /// Where the ids are kept; nil where they are not, and no earlier ones are looked for.
  private let path: String?
  /// Where the file is, with a name or without one.
  private let folder: String
  /// Whether the cache file stays when its ids are not needed any more.
  private let keepsFile: Bool

  /// Reads the files once to compute the key.
  ///
  /// - Parameters:
  ///   - folder: nil for a file without a name in the folder for temporary files.
  ///   - keepsFile: false uses an earlier file and removes it; a new one gets no name.
  /// - Throws: `DatasetError.storage`, or `.changed` for a file that is written to meanwhile.
  init(
    _ paths: [String], tokenizer: any Tokenizer, encoding: TextEncoding, folder: String?,
    keepsFile: Bool = true
  ) throws(DatasetError) {
    self.tokenizer = tokenizer
    self.encoding = encoding
    self.keepsFile = keepsFile
    (files, key) = try Self.key(paths, tokenizer, encoding)
    let name = ContentHash.hexadecimal(key) + ".tokens"
    path = folder.map { FolderListing.join($0, name) }
    self.folder = folder ?? getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
  }

  /// The ids, read from the cache file if it exists and is valid, else encoded and written to it.
  /// - Throws: `DatasetError`.
  func load(progress: TextProgress) throws(DatasetError) -> TokenStorage {
    if let path {
      // Without its name a file lasts as long as it is mapped, and goes even if the process is killed.
      defer { if !keepsFile { unlink(path) } }
      if let cached = open(path) { return cached }
      try makeFolder()
    }
    let written = try write(to: keepsFile ? path : nil, progress: progress)
    guard let storage = open(written) else {
      throw .storage(
        .readFailed(path: written.path, reason: "the token cache does not read as it was written"))
    }
    return storage
  }

  /// Encodes the text.
  ///
  /// - Parameter path: nil for a file without a name.
  private func write(
    to path: String?, progress: TextProgress
  ) throws(DatasetError) -> MappedFile {
    do {
      let output =
        try path.map { try AtomicFile(path: $0, mode: 0o600) }
        ?? AtomicFile(namelessIn: folder)
      var writer = TokenCacheWriter(self)
      try writer.write(to: output, progress: progress)
      guard let path else { return try output.mapped() }
      try output.commit()
      return try MappedFile(path: path)
    } catch let error as DatasetError {
      throw error
    } catch let error as StorageError {
      throw .storage(error)
    } catch {
      throw .storage(.writeFailed(path: path ?? folder, reason: "\(error)"))
    }
  }

  private static func key(
    _ paths: [String], _ tokenizer: any Tokenizer, _ encoding: TextEncoding
  ) throws(DatasetError) -> ([Source], [UInt8]) {
    let hash = ContentHash()
    // Lengths precede contents, so that different lists of parts never hash the same bytes.
    func add(_ number: Int) { withUnsafeBytes(of: UInt64(number).littleEndian) { hash.update($0) } }
    hash.update(magic)
    add(Int(format))
    add(tokenizer.fingerprint.count)
    hash.update(tokenizer.fingerprint)
    add(encoding.appendEOS ? 1 : 0)
    let separator = Array((encoding.separator ?? "").utf8)
    add(separator.count)
    hash.update(separator)
    var sources: [Source] = []
    for path in paths {
      let file: TextFile
      do { file = try TextFile(path: path) } catch { throw .storage(error) }
      // A file's name decides whether it is read as rows, and only rows depend on their encoding.
      let identity = RowReader.isRows(path) ? Array(encoding.rows.identity.utf8) : []
      add(identity.count)
      hash.update(identity)
      add(file.count)
      let digest = file.isRecent ? ContentHash() : nil
      if let digest { try file.add(to: hash, digest) } else { try file.add(to: hash) }
      try file.checkUnchanged()
      sources.append(Source(path: path, identity: file.identity, digest: digest?.finish()))
    }
    return (sources, hash.finish())
  }

  /// The cached ids; nil if there is no valid cache file.
  private func open(_ path: String) -> TokenStorage? {
    guard let file = try? MappedFile(path: path) else { return nil }
    return open(file)
  }

  private func open(_ file: MappedFile) -> TokenStorage? {
    let bytes = file.bytes
    guard bytes.count >= Self.headerBytes else { return nil }
    func number(_ offset: Int) -> Int? {
      Int(
        exactly: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
    }
    guard bytes[..<8].elementsEqual(Self.magic), number(8) == Int(Self.format),
      bytes[16..<48].elementsEqual(key), let ids = number(48), let documents = number(56),
      let mask = number(96), ids <= bytes.count / 4, documents <= bytes.count / Self.recordBytes,
      mask == 0 || mask == ids, let base = bytes.baseAddress
    else { return nil }
    let maskOffset = Self.documentsOffset(ids: ids) + Self.recordBytes * documents
    guard maskOffset + mask == bytes.count else { return nil }
    let storage = TokenStorage(
      file,
      ids: .init(
        start: (base + Self.headerBytes).assumingMemoryBound(to: Int32.self), count: ids),
      documents: .init(
        start: (base + Self.documentsOffset(ids: ids)).assumingMemoryBound(
          to: DocumentRecord.self), count: documents),
      scored: mask == 0
        ? nil
        : .init(start: (base + maskOffset).assumingMemoryBound(to: Bool.self), count: mask))
    return isSound(file, maskOffset: maskOffset) && isSound(storage) ? storage : nil
  }

  /// Offset of the document table for a given number of ids.
  static func documentsOffset(ids: Int) -> Int { headerBytes + (4 * ids + 7) / 8 * 8 }

  private func isSound(_ file: MappedFile, maskOffset: Int) -> Bool {
    let hash = ContentHash()
    let vocabulary = Int32(clamping: tokenizer.vocabularySize)
    let ids = UInt64(
      littleEndian: file.bytes.loadUnaligned(fromByteOffset: 48, as: UInt64.self))
    var left = Int(ids)
    var position = Self.headerBytes
    var inRange = true
    file.forEachChunk(of: Self.headerBytes..<file.bytes.count) { chunk in
      hash.update(chunk)
      // An id outside the vocabulary would be read beyond the embedding.
      let count = min(left, chunk.count / 4)
      for index in 0..<count {
        let id = chunk.load(fromByteOffset: 4 * index, as: Int32.self)
        if id < 0 || id >= vocabulary { inRange = false }
      }
      left -= count
      // A mask's byte other than 0 and 1 would be no Bool.
      let mask = max(0, min(chunk.count, maskOffset - position))
      if chunk[mask...].contains(where: { $0 > 1 }) { inRange = false }
      position += chunk.count
    }
    return inRange && file.bytes[64..<96].elementsEqual(hash.finish())
  }

  /// Whether documents begin at the first id, their starts increase and their bytes are no more than
  /// a disk can hold.
  private func isSound(_ storage: TokenStorage) -> Bool {
    var next: UInt64 = 0
    var bytes: UInt64 = 0
    for document in storage.documents {
      guard document.start >= next, document.start < storage.ids.count,
        document.byteCount <= Self.textLimit - bytes, document.kind <= 1
      else { return false }
      next = document.start + 1
      bytes += document.byteCount
    }
    return storage.documents.isEmpty ? storage.ids.isEmpty : storage.documents[0].start == 0
  }

  private func makeFolder() throws(DatasetError) {
    let parts = folder.split(separator: "/", omittingEmptySubsequences: false)
    for depth in parts.indices {
      let name = parts[...depth].joined(separator: "/")
      // The folder of the ids themselves is for nobody else: they are the text.
      let mode: mode_t = depth == parts.indices.last ? 0o700 : 0o777
      guard !name.isEmpty, mkdir(name, mode) != 0, PathKind(name) != .folder else { continue }
      throw .storage(.cannotCreate(path: name, reason: "no folder can be made there"))
    }
  }
}

extension MappedFile {
  /// Calls `body` with each chunk of `range` in turn and then releases the chunk's pages.
  func forEachChunk<Failure: Error>(
    of range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min(start + chunkBytes, range.upperBound)
      try body(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
      releasePages(start..<end)
      start = end
    }
  }
}
