import Checkpoints
import Execution
import Interchange
import Storage
import TestSupport
import Testing
import Tokenizers

/// SmolLM2-135M from its GGUF file (Q4_1 and Q8_0), against transformers' reading of the same file
/// (`Tests/Golden/gguf/make_logits.py`).
@Suite struct RealModelTests {
  /// Observed: 8e-5.
  @Test(.enabled(if: SharedData.isPresentOrRequired, SharedData.skipReason))
  func logitsOfTheGGUFFile() throws {
    let source = try SharedData.require("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    let figures = try JSONValue.read(
      path: SharedData.packageRoot + "/Tests/Golden/gguf/smollm2.json")
    let folder = try TemporaryFolder()
    try CheckpointImport.run(
      source: source, tokenizer: nil, elementType: .f32, output: folder["m.sfckpt"])
    let checkpoint = try Checkpoint.open(folder["m.sfckpt"])
    let tokens = try figures.list("tokens")
    try expectTokens(tokens, of: checkpoint)
    let batch = try GoldenBatch([
      "inputs": [.array(tokens)], "targets": [.array(tokens)],
      "documentStarts": [.array(tokens.map { _ in 0 })],
    ])
    let set = try Kernels.forThisMachine().instructionSet
    let worst = try WindowLogits(checkpoint, batch.shape).with(batch, instructionSet: set) {
      try largestDifference($0, figures, vocabulary: checkpoint.configuration.vocabularySize)
    }
    #expect(worst < 1e-3)
  }

  /// The vocabulary came along: the text's ids are Hugging Face's, and the settings the file's.
  private func expectTokens(_ tokens: [JSONValue], of checkpoint: Checkpoint) throws {
    let text = try TemporaryFolder.read(try SharedData.require("text/pride_and_prejudice.txt"))
    let tokenizer = try TokenizerKind.load(checkpoint.tokenizerKind, checkpoint.tokenizerBytes)
    let ids = try tokenizer.encode(String(decoding: text[20_000..<28_192], as: UTF8.self))
    #expect(ids.prefix(tokens.count).map { Int($0) } == tokens.map { $0.int })
    let settings = checkpoint.tokenizerSettings
    #expect(settings.beginOfSequence == .id(1) && settings.endOfSequence == .id(2))
    #expect(!settings.addsBeginOfSequence && settings.endsOfText == [0])
    #expect(settings.chatTemplate?.hasPrefix("{% for message in messages %}") == true)
  }

  private func largestDifference(
    _ logits: UnsafeBufferPointer<Float>, _ figures: JSONValue, vocabulary: Int
  ) throws -> Double {
    var worst = 0.0
    let best = try figures.member("best").numbers().map { Int($0) }
    for (row, value) in try figures.member("bestLogit").numbers().enumerated() {
      worst = max(worst, (Double(logits[row * vocabulary + best[row]]) - value).magnitude)
    }
    let ids = try figures.member("ids").numbers().map { Int($0) }
    let rows = try figures.list("rows").map { try $0.numbers() }
    for (position, values) in zip(try figures.member("positions").numbers(), rows) {
      let row = Int(position) * vocabulary
      for (id, value) in zip(ids, values) {
        worst = max(worst, (Double(logits[row + id]) - value).magnitude)
      }
      #expect(logits[row..<row + vocabulary].max() == logits[row + best[Int(position)]])
    }
    return worst
  }
}
