import FuzzTargets
import Storage
import TestSupport
import Testing

/// What `make fuzz` has collected: inputs that reach different places in the readers, and every one
/// that ever crashed one.
@Suite struct CorpusTests {
  @Test(arguments: FuzzedReader.allCases)
  func everyInputIsReadOrRefused(_ reader: FuzzedReader) throws {
    let corpus = SharedData.packageRoot + "/Tests/FuzzTests/Corpus/" + reader.rawValue
    let names = try Folder.names(corpus)
    #expect(!names.isEmpty, "no corpus")
    let folder = try TemporaryFolder()
    for name in names {
      reader.read(try TemporaryFolder.read("\(corpus)/\(name)"), in: folder.path)
    }
  }
}
