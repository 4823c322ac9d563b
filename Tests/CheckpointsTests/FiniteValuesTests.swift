import Models
import Storage
import Tensors
import TestSupport
import Testing

@testable import Checkpoints

/// Weights that are infinite or not a number.
@Suite struct FiniteValuesTests {
  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func theFirstIsFound(_ value: Float) {
    for place in [0, 1, 30, 31] {
      var values = (0..<32).map { Float($0) * 1e37 * ($0 % 2 == 0 ? 1 : -1) }
      #expect(FiniteValues.firstOther(values, count: 32) == nil)
      values[place] = value
      #expect(FiniteValues.firstOther(values, count: 32) == place)
      values.withUnsafeBytes { #expect(FiniteValues.firstOther($0, .f32) == place) }
      let halves = values.map { bfloat16Bits($0) }
      halves.withUnsafeBytes { #expect(FiniteValues.firstOther($0, .bf16) == place) }
      halves.withUnsafeBytes { #expect(FiniteValues.firstOther($0, .int8) == nil) }
    }
  }

  /// Whatever the element types of source and checkpoint: copied, converted and quantised.
  @Test(arguments: [ElementType.f32, .bf16, .int8])
  func theSourceIsRefused(_ type: ElementType) throws {
    let folder = try TemporaryFolder()
    let configuration = TinyModel.configuration()
    var weights = TinyModel.weights(configuration)
    weights["layers[0].mlp.up"]?[configuration.width + 1] = .nan
    func write(_ path: String, from source: String?, _ type: ElementType) throws {
      try CheckpointWriter.write(
        to: folder[path], configuration: configuration,
        tokenizer: StoredTokenizer(kind: "sentencepiece", bytes: TinyModel.tokenizer()),
        elementType: type, finiteSource: source,
        tensors: { (name) throws(CheckpointError) in .values(weights[name] ?? []) })
    }
    let error = failure { try write("a.sfckpt", from: "model.gguf", type) }
    let text = error?.description ?? ""
    #expect(
      text.contains("model.gguf") && text.contains("layers[0].mlp.up") && text.contains("row 1"))
    #expect(error?.category == .badData)
    #expect(try Folder.names(folder.path) == [])
    guard type != .int8 else { return }
    try write("b.sfckpt", from: nil, type)
    let stored = try Checkpoint.open(folder["b.sfckpt"])
    let copied = failure {
      try CheckpointWriter.write(
        to: folder["c.sfckpt"], configuration: configuration,
        tokenizer: StoredTokenizer(kind: "sentencepiece", bytes: TinyModel.tokenizer()),
        elementType: type, finiteSource: "b",
        tensors: { (name) throws(CheckpointError) in
          stored.tensor(name).map { .stored($0) } ?? .values([])
        })
    }
    #expect(copied?.description.contains("row 1") == true)
  }
}
