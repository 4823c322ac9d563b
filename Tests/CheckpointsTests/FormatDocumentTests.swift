import Checkpoints
import Storage
import TestSupport
import Testing

/// The figures of the worked example in `docs/format.md`.
@Suite struct FormatDocumentTests {
  @Test func theWorkedExampleHolds() throws {
    let folder = try TemporaryFolder()
    let configuration = TinyModel.configuration(
      width: 8, hiddenWidth: 12, layers: 1, queryHeads: 2, keyValueHeads: 1, headWidth: 4,
      vocabularySize: 10, contextLength: 16)
    _ = try TinyModel.checkpoint(
      at: folder["x"], configuration, elementType: .int8,
      override: { $0 == "embedding" ? .bf16 : nil })
    let bytes = try folder.read("x")
    #expect(bytes.count == 3104)
    #expect(
      ContentHash.hexadecimal(bytes[..<32])
        == "5346434b50540d0a" + "0200000000000000" + "e205000000000000" + "200c000000000000")
    #expect(Array(bytes[32..<64]) == ContentHash.digest(Array(bytes[64...])))
    let header = try JSONValue.decode(Array(bytes[64..<(64 + 1506)]), source: "header")
    let tensors = header["tensors"]?.array ?? []
    #expect(
      tensors.map { $0["offset"]?.int } == [
        64, 256, 320, 448, 576, 704, 832, 896, 1088, 1280, 1472,
      ])
    #expect(
      tensors.compactMap { $0["scales_offset"]?.int } == [384, 512, 640, 768, 1024, 1216, 1408])
    #expect(Array(bytes[1600..<1660]) == TinyModel.tokenizer(pieces: 10))
    let table = try String(
      decoding: TemporaryFolder.read(SharedData.packageRoot + "/docs/format.md"), as: UTF8.self)
    for tensor in tensors {
      #expect(table.contains("`\(tensor["name"]?.string ?? "")`"), "\(tensor)")
    }
  }
}
