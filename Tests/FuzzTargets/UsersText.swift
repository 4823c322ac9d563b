import Chats
import Datasets
import Storage
import TestSupport

/// A user's text as a run reads it: encoded, split, packed into windows, and these filled.
struct UsersText {
  private static let sequenceLength = 6
  private let folder: String
  private var cache: String { "\(folder)/cache" }

  init(_ folder: String) { self.folder = folder }

  /// Reads the input as a text file of a name, whose ending decides how it is read.
  func read(_ bytes: [UInt8], as name: String) throws {
    try ScratchWriter.write(bytes, to: "\(folder)/\(name)")
    try read(name, keepsCache: false)
  }

  /// Reads a text whose ids are in a cache file of the input's, with the key and the hash of a right
  /// one: three lengths, then what they are lengths of.
  func readCache(_ bytes: [UInt8]) throws {
    let name = "text.txt"
    func caches() throws -> [String] { try Folder.names(cache).filter { $0.hasSuffix(".tokens") } }
    if try caches().isEmpty {
      try ScratchWriter.write(Array("One day.\n\nA cat sat there.".utf8), to: "\(folder)/\(name)")
      try read(name, keepsCache: true)
    }
    let path = try "\(cache)/\(caches()[0])"
    let original = try MappedFile(path: path)
    let right = withExtendedLifetime(original) { Array(original.bytes.prefix(48)) }
    let rest = Array(bytes.dropFirst(24))
    let file =
      right + bytes.prefix(16) + [UInt8](repeating: 0, count: max(0, 16 - bytes.count))
      + ContentHash.digest(rest) + bytes.dropFirst(16).prefix(8)
    try ScratchWriter.write(
      file + [UInt8](repeating: 0, count: 128 - file.count) + rest, to: path)
    try read(name, keepsCache: true)
  }

  private func read(_ name: String, keepsCache: Bool) throws {
    let corpus = try Corpus.prepare(
      train: [name], validation: .fraction(0.3), relativeTo: folder,
      sequenceLength: Self.sequenceLength, separator: "\n\n", appendEOS: true,
      rows: RowEncoding(template: .success(ChatTemplates.named("alpaca"))),
      tokenizer: EndingTokenizer(), cacheFolder: cache, keepsCache: keepsCache)
    for stream in [corpus.train, corpus.validation].compactMap({ $0 }) { Self.fill(stream) }
  }

  /// Every window: its ids are the vocabulary's, its targets too where they count.
  private static func fill(_ stream: TokenStream) {
    let vocabulary = Int32(EndingTokenizer().vocabularySize)
    var (inputs, targets, starts) = (zeros, zeros, zeros)
    for window in 0..<stream.windowCount(sequenceLength: sequenceLength, includePartial: true) {
      inputs.withUnsafeMutableBufferPointer { inputs in
        targets.withUnsafeMutableBufferPointer { targets in
          starts.withUnsafeMutableBufferPointer { starts in
            stream.fill(window: window, inputs: inputs, targets: targets, documentStarts: starts)
          }
        }
      }
      precondition(inputs.allSatisfy { $0 >= 0 && $0 < vocabulary })
      precondition(targets.allSatisfy { $0 >= -1 && $0 < vocabulary })
      precondition(starts.enumerated().allSatisfy { $1 >= 0 && $1 <= $0 })
    }
  }

  private static var zeros: [Int32] { [Int32](repeating: 0, count: sequenceLength) }
}
