import Datasets
import TestSupport
import Testing
import Tokenizers

#if canImport(Glibc)
  import Glibc
#endif

/// Files of ids belong to one state of the text, and to the user alone.
@Suite struct TokenCacheStateTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func prepare(
    keepsCache: Bool = true, progress: @escaping TextProgress = { _, _ in }
  ) throws -> TokenizedText {
    try TokenizedText.prepare(
      ["t.txt"], relativeTo: folder.path, use: "training", encoding: .init(separator: "|"),
      tokenizer: ByteTokenizer(), cacheFolder: folder["made/cache"], keepsCache: keepsCache,
      progress: progress)
  }

  private var cached: [String] {
    guard let stream = opendir(folder["made/cache"]) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafeBytes(of: &entry.pointee.d_name) {
          String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        })
    }
    return names.filter { !$0.hasPrefix(".") }
  }

  private func mode(_ path: String) -> mode_t {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
  }

  /// A text of the same length, a longer and a shorter one, and one renamed into its place.
  @Test(arguments: ["same length", "longer", "cut short", "replaced"])
  func aTextThatChangesMeanwhileIsAnError(_ change: String) throws {
    let text = String(repeating: "one|two|", count: 20_000)
    try folder.write(text, to: "t.txt")
    var isFirst = true
    let error = #expect(throws: DatasetError.self) {
      _ = try prepare(progress: { done, _ in
        guard isFirst, done > 0 else { return }
        isFirst = false
        switch change {
        case "cut short": truncate(folder["t.txt"], 100)
        case "replaced":
          _ = try? folder.write(text + "x", to: "new")
          rename(folder["new"], folder["t.txt"])
        default:
          guard let file = fopen(folder["t.txt"], change == "longer" ? "ab" : "r+b") else { return }
          fputs("X", file)
          fclose(file)
        }
      })
    }
    guard case .changed(folder["t.txt"]) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.category == .badData)
    #expect(error?.description.contains("changed while it was read") == true)
    #expect(cached == [])
    #expect(try prepare().stream.count > 0)
  }

  @Test func onlyTheUserMayReadTheIds() throws {
    try folder.write("one|two", to: "t.txt")
    for mask in [mode_t(0), 0o022, 0o077] {
      let before = umask(mask)
      defer { umask(before) }
      try folder.write("one|two|\(mask)", to: "t.txt")
      _ = try prepare()
    }
    #expect(cached.count == 3)
    for name in cached { #expect(mode(folder["made/cache/" + name]) == 0o600) }
    #expect(mode(folder["made/cache"]) == 0o700)
  }

  @Test func idsThatAreNotKeptCanBeRead() throws {
    try folder.write("one|two", to: "t.txt")
    let text = try prepare(keepsCache: false)
    #expect(cached == [])
    text.stream.releasePages()
    #expect(text.stream.documentCount == 2 && text.stream[1] == Int32(UInt8(ascii: "o")))
    // What an earlier run kept goes too.
    _ = try prepare()
    #expect(cached.count == 1)
    _ = try prepare(keepsCache: false)
    #expect(cached == [])
  }
}
