import Checkpoints
import Models
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct CheckpointTests {
  let folder: TemporaryFolder
  let configuration = TinyModel.configuration(tiedHead: false, attentionBias: true, mlpBias: true)

  init() throws { folder = try TemporaryFolder() }

  @Test func keepsEverything() throws {
    let weights = TinyModel.weights(configuration)
    let checkpoint = try TinyModel.checkpoint(at: folder["x"], configuration)
    #expect(folder.entries == ["x"])
    #expect(checkpoint.configuration == configuration)
    #expect(checkpoint.metadata == ["source": "test"])
    #expect(checkpoint.tokenizerBytes.elementsEqual(TinyModel.tokenizer(pieces: 40)))
    #expect(checkpoint.tensors.map(\.name) == configuration.parameters.map(\.name))
    #expect(checkpoint.byteCount == (try folder.read("x").count))
    for tensor in checkpoint.tensors {
      #expect(tensor.widened() == weights[tensor.name])
      #expect(Int(bitPattern: tensor.data.baseAddress) % 64 == 0)
    }
    checkpoint.releasePages()
    checkpoint.releasePages(of: "norm")
    #expect(checkpoint.tensor("norm")?.widened() == weights["norm"])
    #expect(checkpoint.tensor("layers[2].mlp.up") == nil)
    #expect(TensorFileKind.detect(path: folder["x"]) == .checkpoint)
  }

  @Test func keepsEveryConfiguration() throws {
    let scalings: [RotaryScaling] = [
      .none, .linear(factor: 4.1),
      .llama3(
        factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192),
    ]
    for scaling in scalings {
      var expected = TinyModel.configuration(rotaryScaling: scaling, outputBias: true)
      expected.normEpsilon = 1e-6
      expected.rotaryBase = 500_000.1
      #expect(try TinyModel.checkpoint(at: folder["x"], expected).configuration == expected)
    }
  }

  @Test func writesOnlyAdditionsThatAreNotDefaults() throws {
    var expected = TinyModel.configuration(layers: 3)
    expected.slidingWindow = 16
    expected.attentionPattern = [.local, .local, .global]
    expected.localRotaryBase = 1e4
    expected.activation = .geluTanh
    expected.embeddingScale = 5.65625
    expected.attentionScale = 0.0625
    #expect(try TinyModel.checkpoint(at: folder["x"], expected).configuration == expected)
    let keys = try headerKeys("x")
    #expect(keys.contains("attention_pattern") && !keys.contains("query_key_norm"))
    _ = try TinyModel.checkpoint(at: folder["y"], TinyModel.configuration())
    #expect(try headerKeys("y").count == 15)
  }

  /// The keys of the configuration in a file's header.
  private func headerKeys(_ file: String) throws -> [String] {
    try TensorFileParts(folder.read(file)).json["configuration"]?.object?.keys ?? []
  }

  @Test func theSameContentGivesTheSameHash() throws {
    let a = try TinyModel.checkpoint(at: folder["a"], configuration)
    let b = try TinyModel.checkpoint(at: folder["b"], configuration)
    let c = try TinyModel.checkpoint(at: folder["c"], configuration, seed: 2)
    #expect(a.contentHash == b.contentHash)
    #expect(a.contentHash != c.contentHash)
    #expect(try folder.read("a") == folder.read("b"))
    let bytes = try folder.read("a")
    #expect(a.contentHash == ContentHash.hexadecimal(ContentHash.digest(Array(bytes[64...]))))
  }

  @Test func bf16RoundsToNearestEven() throws {
    let weights = TinyModel.weights(configuration)
    let checkpoint = try TinyModel.checkpoint(at: folder["x"], configuration, elementType: .bf16)
    for tensor in checkpoint.tensors {
      let original = try #require(weights[tensor.name])
      if tensor.shape.rank == 1 {
        #expect(tensor.elementType == .f32)
        #expect(tensor.widened() == original)
      } else {
        #expect(tensor.elementType == .bf16)
        #expect(tensor.widened() == original.map { float(bfloat16Bits: bfloat16Bits($0)) })
      }
    }
  }

  @Test func int8IsWithinHalfAStep() throws {
    let weights = TinyModel.weights(configuration)
    let checkpoint = try TinyModel.checkpoint(at: folder["x"], configuration, elementType: .int8)
    for tensor in checkpoint.tensors where tensor.shape.rank == 2 {
      let original = try #require(weights[tensor.name])
      let scales = try #require(tensor.scales)
      #expect(tensor.elementType == .int8 && scales.count == tensor.rowCount)
      #expect(tensor.byteCount == tensor.shape.count + 4 * tensor.rowCount)
      let widened = tensor.widened()
      for (i, value) in widened.enumerated() {
        let scale = scales[i / tensor.rowWidth]
        #expect((value - original[i]).magnitude <= scale * 0.500_01)
      }
      for row in 0..<tensor.rowCount {
        let values = original[(row * tensor.rowWidth)..<((row + 1) * tensor.rowWidth)]
        #expect(scales[row] == (values.map(\.magnitude).max() ?? 0) / 127)
      }
    }
  }

  @Test func int8TakesZerosAndSubnormalsAndRefusesInfinity() throws {
    let tiny = TinyModel.configuration(layers: 1)
    func write(_ value: Float) throws(CheckpointError) -> Checkpoint {
      let shapes = Dictionary(uniqueKeysWithValues: tiny.parameters.map { ($0.name, $0.shape) })
      try CheckpointWriter.write(
        to: folder["x"], configuration: tiny, tokenizer: .init(kind: "any", bytes: [1]),
        elementType: .int8,
        tensors: { (name) throws(CheckpointError) in
          .values([Float](repeating: value, count: shapes[name]?.count ?? 0))
        })
      return try Checkpoint.open(folder["x"])
    }
    #expect(try write(0).tensors.allSatisfy { $0.widened().allSatisfy { $0 == 0 } })
    let least = Float.leastNonzeroMagnitude
    #expect(
      try write(least).tensors.allSatisfy { $0.widened().allSatisfy { $0.magnitude <= least } })
    expectBadData("infinity") { _ = try write(.infinity) }
    expectBadData("nan") { _ = try write(.nan) }
    #expect(folder.entries == ["x"])
  }

  @Test func storedTensorsAreCopiedOrConverted() throws {
    let int8 = try TinyModel.checkpoint(at: folder["a"], configuration, elementType: .int8)
    func rewrite(_ type: ElementType, _ name: String) throws -> Checkpoint {
      try CheckpointWriter.write(
        to: folder[name], configuration: configuration, tokenizer: int8.tokenizer,
        metadata: int8.metadata.object ?? [:], elementType: type,
        override: { $0 == "head" ? .bf16 : nil },
        tensors: { (name) throws(CheckpointError) in
          guard let tensor = int8.tensor(name) else { return .values([]) }
          return .stored(tensor)
        })
      return try Checkpoint.open(folder[name])
    }
    let same = try rewrite(.int8, "b")
    let wide = try rewrite(.f32, "c")
    #expect(same.tensor("head")?.elementType == .bf16)
    for tensor in int8.tensors where tensor.name != "head" {
      let copy = try #require(same.tensor(tensor.name))
      #expect(copy.data.elementsEqual(tensor.data))
      #expect(copy.scales.map(Array.init) == tensor.scales.map(Array.init))
      #expect(wide.tensor(tensor.name)?.widened() == tensor.widened())
    }
  }

  @Test func readsRowsOfAnyRange() throws {
    let weights = try #require(TinyModel.weights(configuration)["layers[1].mlp.up"])
    let checkpoint = try TinyModel.checkpoint(at: folder["x"], configuration)
    for range in [0..<1, 5..<9, 47..<48, 3..<3, 0..<48] {
      var rows = [Float](repeating: .nan, count: range.count * 32)
      checkpoint.rows(of: "layers[1].mlp.up", range, into: &rows)
      #expect(rows == Array(weights[(range.lowerBound * 32)..<(range.upperBound * 32)]))
    }
  }

  @Test func aFailingSourceLeavesNothing() throws {
    let error = failure {
      try CheckpointWriter.write(
        to: folder["x"], configuration: configuration, tokenizer: .init(kind: "any", bytes: []),
        elementType: .f32,
        tensors: { (name) throws(CheckpointError) in
          .rows { (_, _) throws(CheckpointError) in
            throw .missing(path: "p", what: "w", next: "n")
          }
        })
    }
    #expect(error?.category == .missingInput)
    #expect(folder.entries.isEmpty)
  }

  @Test func anUnwritableOutputIsSaid() throws {
    let error = failure { _ = try TinyModel.checkpoint(at: folder["no/x"], configuration) }
    #expect(error?.category == .cannotCreate)
    #expect(failure { _ = try Checkpoint.open(folder["x"]) }?.category == .missingInput)
    #expect(failure { _ = try Checkpoint.open(folder.path) }?.category == .missingInput)
  }
}
