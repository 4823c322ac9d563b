import Checkpoints
import Models
import Storage
import Tensors
import TestSupport
import Testing

@testable import Interchange

/// Models in GGUF files, to checkpoints.
@Suite struct GGUFImportTests {
  let folder: TemporaryFolder
  let tokenizer: String

  init() throws {
    folder = try TemporaryFolder()
    tokenizer = try folder.write(TinyModel.wordTokenizer(), to: "tokenizer.model")
  }

  private func imported(_ file: GGUFBuilder, _ type: ElementType? = nil) throws -> Checkpoint {
    try CheckpointImport.run(
      source: try folder.write(file.bytes, to: "m.gguf"), tokenizer: tokenizer,
      elementType: type, output: folder["x"])
    return try Checkpoint.open(folder["x"])
  }

  private func expectRefused(
    _ file: GGUFBuilder, naming words: String...,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = failure { _ = try imported(file) }
    #expect(error?.category == .badData, sourceLocation: sourceLocation)
    for word in words {
      #expect(
        error?.description.contains(word) == true, "\(error?.description ?? "accepted")",
        sourceLocation: sourceLocation)
    }
  }

  @Test(arguments: [true, false], [false, true])
  func importsLlama(_ tied: Bool, _ biases: Bool) throws {
    let configuration = TinyModel.configuration(
      tiedHead: tied, attentionBias: biases, outputBias: biases, mlpBias: biases)
    let weights = TinyModel.weights(configuration)
    let checkpoint = try imported(.model(configuration, weights: weights))
    #expect(checkpoint.configuration == configuration)
    for tensor in checkpoint.tensors {
      #expect(tensor.widened() == weights[tensor.name], "\(tensor.name)")
    }
    #expect(checkpoint.metadata == ["format": .string(CheckpointOrigin.gguf.rawValue)])
  }

  /// Families whose files keep rotary rows in halves; Phi-3's keep several matrices in one. F32 is
  /// copied and F16 widened.
  @Test(
    arguments: FamilyCase.all.filter {
      let architectures = $0.configuration.familyType.ggufArchitectures
      return !architectures.isEmpty && architectures != ["llama"]
        && $0.configuration.attentionPattern.isEmpty
    }, [0, 1] as [UInt32])
  func importsEveryFamily(_ family: FamilyCase, _ type: UInt32) throws {
    let configuration = family.configuration
    // Numbers that F16 holds.
    let weights = TinyModel.weights(configuration).mapValues { $0.map { Float(Float16($0)) } }
    var file = GGUFBuilder.model(
      configuration, architecture: configuration.familyType.ggufArchitectures[0],
      weights: weights, interleaved: false)
    for index in file.tensors.indices where file.tensors[index].extents.count == 2 && type == 1 {
      file.tensors[index].type = 1
      file.tensors[index].bytes = file.tensors[index].bytes.withUnsafeBytes { bytes in
        bytes.bindMemory(to: Float.self).flatMap { littleEndian(Float16($0).bitPattern) }
      }
    }
    let checkpoint = try imported(file)
    #expect(checkpoint.configuration == configuration)
    for tensor in checkpoint.tensors {
      #expect(tensor.widened() == weights[tensor.name], "\(tensor.name)")
    }
    for index in file.tensors.indices where file.tensors[index].name.hasPrefix("blk.1.") {
      var fewer = file
      fewer.tensors.remove(at: index)
      expectRefused(fewer, naming: file.tensors[index].name)
    }
  }

  @Test func longropeIsRefusedWithItsReason() throws {
    let phi3 = try #require(FamilyCase.all.first { $0.name == "phi3" }).configuration
    var file = GGUFBuilder.model(
      phi3, architecture: "phi3", weights: TinyModel.weights(phi3), interleaved: false)
    file["phi3.attention.sliding_window"] = .integer(0)
    #expect(try imported(file).configuration.slidingWindow == nil)
    file.tensors.append(
      .init(name: "rope_factors_long.weight", extents: [4], bytes: [UInt8](repeating: 0, count: 16))
    )
    expectRefused(file, naming: "rope_factors_long.weight", "the length of the text")
  }

  /// A wide matrix is read in chunks that begin inside heads.
  @Test func interleavedRowsComeInChunks() throws {
    let configuration = TinyModel.configuration(
      width: 4096, hiddenWidth: 32, layers: 1, queryHeads: 2, keyValueHeads: 1, headWidth: 48)
    let weights = TinyModel.weights(configuration)
    let checkpoint = try imported(.model(configuration, weights: weights))
    for name in ["layers[0].attention.query", "layers[0].attention.key"] {
      #expect(checkpoint.tensor(name)?.widened() == weights[name])
    }
  }

  @Test func narrowSourcesKeepTheirType() throws {
    let configuration = TinyModel.configuration()
    var file = GGUFBuilder.model(configuration, weights: TinyModel.weights(configuration))
    for index in file.tensors.indices where file.tensors[index].extents.count == 2 {
      file.tensors[index].type = 30
      file.tensors[index].bytes = file.tensors[index].bytes.enumerated().filter {
        $0.offset % 4 > 1
      }
      .map(\.element)
    }
    let checkpoint = try imported(file)
    #expect(checkpoint.tensor("layers[0].mlp.up")?.elementType == .bf16)
    #expect(checkpoint.tensor("norm")?.elementType == .f32)
  }

  @Test func roundingIsSummedByKind() throws {
    let configuration = TinyModel.configuration()
    let file = GGUFBuilder.model(configuration, weights: TinyModel.weights(configuration))
    let path = try folder.write(file.bytes, to: "m.gguf")
    func summary(_ type: ElementType) throws -> ImportSummary {
      try CheckpointImport.run(
        source: path, tokenizer: tokenizer, elementType: type, output: folder["x"])
    }
    #expect(try summary(.f32).rounding.isEmpty)
    let rounding = try summary(.int8).rounding
    #expect(
      rounding.map(\.matrix) == [
        "embedding", "attention.query", "attention.key", "attention.value", "attention.output",
        "mlp.gate", "mlp.up", "mlp.down",
      ])
    // Rows of normal numbers lie within ±2 to ±4: steps of 1/45, errors of a 1/156.
    for (_, sums) in rounding {
      #expect((0.004...0.01).contains(sums.relative), "\(sums.relative)")
      #expect((0.005...0.018).contains(sums.largestError))
    }
    let narrow = try summary(.bf16).rounding
    for (_, sums) in narrow { #expect((0.001...0.0025).contains(sums.relative)) }
  }

  @Test func rotaryScalingIsRead() throws {
    var expected = TinyModel.configuration(rotaryScaling: .linear(factor: 4))
    let weights = TinyModel.weights(expected)
    var file = GGUFBuilder.model(expected, weights: weights)
    file["llama.rope.scaling.type"] = .text("linear")
    file["llama.rope.scaling.factor"] = .single(4)
    #expect(try imported(file).configuration == expected)
    file["llama.rope.scaling.type"] = .text("yarn")
    expectRefused(file, naming: "llama.rope.scaling.type", "'yarn'".replacing("'", with: "\""))

    expected.rotaryScaling = .llama3(
      factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192)
    file = GGUFBuilder.model(expected, weights: weights)
    // With a base of 10,000 and a head of 8, wavelengths are 6, 63, 628 and 6,283.
    let smooth = (8192 / 6283.185307 - 1) / 3
    let last = Float(1 / ((1 - smooth) / 8 + smooth))
    func factors(_ values: [Float]) -> GGUFBuilder {
      var file = file
      file.tensors.append(
        .init(
          name: "rope_freqs.weight", extents: [UInt64(values.count)],
          bytes: values.flatMap { littleEndian($0.bitPattern) }))
      return file
    }
    expectRefused(factors([1, 1, 1, last]), naming: "rope_freqs.weight")
    expectRefused(factors([1, 1, 1]), naming: "rope_freqs.weight", "3 factors")
    #expect(try imported(factors([2, 2, 2, 2])).configuration.rotaryScaling == .linear(factor: 2))
    #expect(try imported(factors([1, 1, 1, 1])).configuration.rotaryScaling == .none)
  }

  @Test func whatIsNotThereIsSaid() throws {
    let configuration = TinyModel.configuration()
    let file = GGUFBuilder.model(configuration, weights: TinyModel.weights(configuration))
    func changed(_ change: (inout GGUFBuilder) -> Void) -> GGUFBuilder {
      var copy = file
      change(&copy)
      return copy
    }
    expectRefused(changed { $0.tensors.remove(at: 3) }, naming: "no 'blk.0.attn_k.weight'")
    expectRefused(changed { $0.tensors[3].extents.reverse() }, naming: "shape of 'blk.0.attn_k")
    expectRefused(changed { $0.tensors[3].name = "blk.0.x" }, naming: "blk.0.attn_k.weight")
    expectRefused(changed { $0.tensors = [] }, naming: "token_embd.weight")
    var extra = file.tensors[3]
    extra.name = "blk.0.ffn_gate_exps.weight"
    expectRefused(changed { $0.tensors.append(extra) }, naming: "ffn_gate_exps", "not supported")
    expectRefused(
      changed { $0["general.architecture"] = .text("mamba") }, naming: "'mamba'", "llama")
    expectRefused(changed { $0["general.architecture"] = nil }, naming: "general.architecture")
    expectRefused(
      changed { $0["llama.embedding_length"] = nil }, naming: "llama.embedding_length", "nothing")
    expectRefused(
      changed { $0["llama.embedding_length"] = .text("x") }, naming: "llama.embedding_length")
    expectRefused(
      changed { $0["llama.block_count"] = .integer(4_000_000_000) }, naming: "llama.block_count")
    expectRefused(
      changed { $0["llama.attention.head_count"] = .integers([4, 2]) },
      naming: "llama.attention.head_count")
    expectRefused(
      changed { $0["llama.rope.dimension_count"] = .integer(4) },
      naming: "llama.rope.dimension_count")
    expectRefused(
      changed { $0["llama.expert_count"] = .integer(8) }, naming: "llama.expert_count")
    expectRefused(changed { $0["split.count"] = .integer(2) }, naming: "split.count")
    expectRefused(changed { $0["general.type"] = .text("adapter") }, naming: "general.type")
    #expect(
      try imported(changed { $0["llama.attention.head_count"] = .integers([4, 4]) })
        .configuration == configuration)
  }
}
