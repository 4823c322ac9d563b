import Checkpoints
import Models
import Storage
import Tensors
import TestSupport
import Testing

@testable import Interchange

/// LoRA runs as GGUF adapters.
@Suite struct AdapterFileTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func checkpoint(_ family: FamilyCase) throws -> Checkpoint {
    var configuration = family.configuration
    configuration.vocabularySize = 400
    configuration.attentionScale = nil
    let tokenizer = try TemporaryFolder.read(
      SharedData.packageRoot + "/Tests/Golden/gqa-tied/tokenizer.model")
    return try TinyModel.checkpoint(
      at: folder["base.sfckpt"], configuration, elementType: .f32, tokenizer: tokenizer)
  }

  /// Factors of random numbers for matrices, each with a rank and a scale of its own.
  private func delta(
    _ base: Checkpoint, _ matrices: [(name: String, rank: Int, scale: Double)]
  ) throws -> Delta {
    var random = RandomSource(seed: 7)
    let updates = matrices.map { matrix in
      let shape = base.tensor(matrix.name)?.shape ?? [1, 1]
      func values(_ count: Int) -> [Float] { (0..<count).map { _ in Float(random.normal()) } }
      return DeltaUpdate(
        name: matrix.name,
        content: .lowRank(
          rank: matrix.rank, scale: matrix.scale, a: .values(values(matrix.rank * shape[1])),
          b: .values(values(shape[0] * matrix.rank))))
    }
    try DeltaWriter.write(
      to: folder["d.sfdelta"], base: base, method: [:], recipe: [:], metrics: [:],
      elementType: .f32, updates: updates)
    return try Delta.open(folder["d.sfdelta"])
  }

  /// A file's tensors by their names, row-major.
  private func tensors(_ name: String) throws -> (GGUFFile, [String: [Float]]) {
    let mapped = try MappedFile(path: folder[name])
    let file = try GGUFFile(mapped)
    var values: [String: [Float]] = [:]
    for (name, tensor) in file.tensors {
      let count = tensor.shape.reduce(1, *)
      values[name] = [Float](unsafeUninitializedCapacity: count) { buffer, initialised in
        if let start = buffer.baseAddress {
          GGUFRows(file: mapped, tensor: tensor).read(0..<count / tensor.rowWidth, into: start)
        }
        initialised = count
      }
    }
    return (file, values)
  }

  /// What llama.cpp adds to a matrix is what merging adds to it in the same format.
  @Test(arguments: FamilyCase.all)
  func productsAreTheMergedChange(_ family: FamilyCase) throws {
    let base = try checkpoint(family)
    let names = base.configuration.parameters.filter { $0.kind == .matrix }.map(\.name)
    let matrices = names.filter { $0.hasPrefix("layers[0]") }.enumerated().map { index, name in
      // Fused matrices share a scale, as PEFT's do; others don't.
      (name, 1 + index % 3, index < 3 ? 0.5 : index < 5 ? 0.25 : 2)
    }
    let delta = try delta(base, matrices)
    let model = try ExportedModel(base, deltas: [(delta, 1)])
    let notes = try PEFTExport.write(model, as: .f32, to: folder["adapter"])
    let type = base.configuration.familyType
    guard (try? base.configuration.gguf()) != nil else {
      #expect(notes.contains { $0.contains("sliding_window") })
      #expect(!Folder.exists(folder["adapter/adapter_model.gguf"]))
      return
    }
    _ = try GGUFExport.write(ExportedModel(base), as: .f32, to: folder["base.gguf"])
    _ = try GGUFExport.write(model, as: .f32, to: folder["merged.gguf"])
    let before = try tensors("base.gguf").1
    let after = try tensors("merged.gguf").1
    let (file, adapter) = try tensors("adapter/adapter_model.gguf")
    #expect(try file.metadata.text("general.type") == "adapter")
    #expect(try file.metadata.text("general.architecture") == type.ggufArchitecture)
    let alpha = Float(
      try #require(try file.metadata.members(under: "adapter.lora.")["alpha"]?.double))
    var changed: Set<String> = []
    for (name, values) in after where values != before[name] {
      changed.insert(name)
      let a = try #require(adapter["\(name).lora_a"])
      let b = try #require(adapter["\(name).lora_b"])
      let rank = try #require(file.tensors["\(name).lora_a"]).shape[0]
      let width = a.count / rank
      var worst: Float = 0
      for row in 0..<values.count / width {
        for column in 0..<width {
          var sum: Float = 0
          for r in 0..<rank { sum += b[row * rank + r] * a[r * width + column] }
          let place = row * width + column
          worst = max(
            worst,
            (values[place] - (before[name]?[place] ?? 0) - alpha / Float(rank) * sum).magnitude)
        }
      }
      #expect(worst < 2e-5, "\(name)")
    }
    #expect(adapter.count == 2 * changed.count && changed.count >= 4)
  }

  @Test func aTiedHeadHasNoPlace() throws {
    let family = try #require(FamilyCase.all.first { $0.configuration.tiedHead })
    let base = try checkpoint(family)
    try DeltaWriter.write(
      to: folder["head.sfdelta"], base: base, method: [:], recipe: [:], metrics: [:],
      elementType: .f32,
      updates: [
        DeltaUpdate(
          name: "head",
          content: .lowRank(
            rank: 1, scale: 1, a: .values(.init(repeating: 1, count: base.configuration.width)),
            b: .values(.init(repeating: 1, count: 400))))
      ])
    let model = try ExportedModel(base, deltas: [(Delta.open(folder["head.sfdelta"]), 1)])
    let notes = try PEFTExport.write(model, as: .f32, to: folder["adapter"])
    #expect(notes.contains { $0.contains("tied head") })
    #expect(!Folder.exists(folder["adapter/adapter_model.gguf"]))
  }
}
