import Checkpoints
import Models
import Storage
import Tensors
import TestSupport
import Testing

/// Deltas added up to one, and what is left of one without its description.
@Suite struct DeltaSumTests {
  let folder: TemporaryFolder
  let configuration = TinyModel.configuration()
  let base: Checkpoint

  init() throws {
    folder = try TemporaryFolder()
    base = try TinyModel.checkpoint(at: folder["base"], configuration)
  }

  /// New rows, as a training with that seed would leave them.
  private func rows(_ name: String, _ range: Range<Int>, seed: UInt64) -> DeltaUpdate {
    let values = TinyModel.weights(configuration.untied, seed: seed)[name] ?? []
    let width = base.origin(of: name)?.rowWidth ?? 1
    return DeltaUpdate(
      name: name,
      content: .rows(range) { (range, target) throws(CheckpointError) in
        for i in 0..<(range.count * width) { target[i] = values[range.lowerBound * width + i] }
      })
  }

  private func factors(_ name: String, rank: Int, scale: Double, seed: UInt64) -> DeltaUpdate {
    var random = RandomSource(seed: seed)
    let shape = base.tensor(name)?.shape ?? [1, 1]
    func values(_ count: Int) -> TensorSource {
      .values((0..<count).map { _ in Float(random.normal()) })
    }
    return DeltaUpdate(
      name: name,
      content: .lowRank(
        rank: rank, scale: scale, a: values(rank * shape[1]), b: values(shape[0] * rank)))
  }

  private func write(
    _ name: String, _ updates: [DeltaUpdate], _ type: ElementType = .f32, base: Checkpoint? = nil
  ) throws -> Delta {
    try DeltaWriter.write(
      to: folder[name], base: base ?? self.base, method: ["type": "sparse"],
      recipe: ["seed": 1], metrics: ["loss": 1.5], elementType: type, updates: updates)
    return try Delta.open(folder[name])
  }

  private func sum(
    _ deltas: [(delta: Delta, weight: Double)], base: Checkpoint? = nil
  ) throws -> Delta {
    try DeltaSum(deltas, base: base).write(to: folder["sum"])
    return try Delta.open(folder["sum"])
  }

  /// All parameters of the base with deltas applied.
  private func merged(_ deltas: [(delta: Delta, scale: Double)]) throws -> [String: [Float]] {
    let merge = try DeltaMerge(base: base, deltas: deltas)
    return Dictionary(
      uniqueKeysWithValues: merge.configuration.parameters.map { parameter in
        let values = [Float](unsafeUninitializedCapacity: parameter.shape.count) { buffer, count in
          if let start = buffer.baseAddress {
            merge.rows(of: parameter.name, 0..<parameter.shape[0], into: start)
          }
          count = parameter.shape.count
        }
        return (parameter.name, values)
      })
  }

  /// What only one delta changes is kept as it is, without the base.
  @Test func unionsAreExact() throws {
    let a = try write(
      "a", [rows("layers[0].mlp.up", 0..<8, seed: 2), rows("norm", 0..<32, seed: 2)])
    let b = try write(
      "b",
      [
        rows("layers[0].mlp.up", 8..<20, seed: 3),
        factors("layers[1].mlp.gate", rank: 2, scale: 2, seed: 1),
      ])
    let both = try sum([(a, 1), (b, 1)])
    #expect(try merged([(both, 1)]) == merged([(a, 1), (b, 1)]))
    #expect(both.storedParameters == a.storedParameters + b.storedParameters)
    #expect(both.metrics == .null && both.method == ["type": "sparse"])
  }

  /// With the base, rows that several change are merged as applying all of them does.
  @Test(arguments: [[1, 1], [0.25, 2], [-1, 3]])
  func sumsAreWhatApplyingAllGives(_ weights: [Double]) throws {
    let a = try write(
      "a", [rows("layers[0].mlp.up", 0..<16, seed: 2), rows("norm", 0..<32, seed: 2)])
    let b = try write(
      "b",
      [
        rows("layers[0].mlp.up", 10..<30, seed: 3), rows("norm", 4..<6, seed: 3),
        rows("head", 3..<5, seed: 4),
      ])
    let c = try write(
      "c",
      [
        factors("layers[0].mlp.up", rank: 3, scale: 0.5, seed: 5),
        rows("embedding", 0..<4, seed: 6),
      ])
    for others in [[b], [b, c]] {
      let all = [(a, weights[0])] + others.map { ($0, weights[1]) }
      let both = try sum(all.map { (delta: $0.0, weight: $0.1) }, base: base)
      #expect(try merged([(both, 1)]) == merged(all.map { (delta: $0.0, scale: $0.1) }))
    }
    #expect {
      try sum([(a, weights[0]), (b, weights[1])])
    } throws: { error in
      "\(error)".contains("name the checkpoint with --model")
        && "\(error)".contains("layers[0].mlp.up")
    }
  }

  /// Weights that add up to 1 need no base, nor do differences.
  @Test func averagesNeedNoBase() throws {
    let names = ["a", "b", "c"]
    let deltas = try names.enumerated().map { index, name in
      try write(name, [rows("layers[1].attention.output", 2..<9, seed: UInt64(index + 2))])
    }
    let weights = [0.5, 0.25, 0.25]
    let mean = try sum(zip(deltas, weights).map { ($0, $1) })
    let entry = try #require(mean.entries.first)
    #expect(mean.entries.count == 1 && entry.encoding == .values && entry.rows == 2..<9)
    let stored = deltas.map { $0.entries[0].tensors[0].widened() }
    let expected = stored[0].indices.map { index in
      Float(zip(stored, weights).reduce(0.0) { $0 + $1.1 * Double($1.0[index]) })
    }
    #expect(entry.tensors[0].widened() == expected)

    let rounded = try names.enumerated().map { index, name in
      try write(
        name + "16", [rows("layers[1].attention.output", 2..<9, seed: UInt64(index + 2))], .bf16)
    }
    let total = try sum(rounded.map { ($0, 2) })
    #expect(total.entries.map(\.encoding) == [.difference])
    let halves = rounded.map { $0.entries[0].tensors[0].widened() }
    let doubled = halves[0].indices.map { index in
      Float(halves.reduce(0.0) { $0 + 2 * Double($1[index]) })
    }
    #expect(total.entries[0].tensors[0].widened() == doubled)
  }

  /// Stacked, factors add up exactly: with one scale they are kept bit for bit.
  @Test func factorsAreStacked() throws {
    let name = "layers[0].attention.query"
    let a = try write("a", [factors(name, rank: 2, scale: 0.5, seed: 1)])
    let b = try write("b", [factors(name, rank: 3, scale: 0.5, seed: 2)])
    let both = try sum([(a, 1), (b, 1)])
    let entry = try #require(both.entries.first)
    #expect(both.entries.count == 1 && entry.encoding == .lowRank && entry.scale == 0.5)
    #expect(entry.tensors[0].shape == [5, 32] && entry.tensors[1].shape == [32, 5])
    #expect(
      entry.tensors[0].widened()
        == a.entries[0].tensors[0].widened() + b.entries[0].tensors[0].widened())
    let (one, other) = (try merged([(both, 1)]), try merged([(a, 1), (b, 1)]))
    #expect(one == other)
    let weighted = try merged([(try sum([(a, 0.25), (b, 3)]), 1)])
    for (x, y) in zip(weighted[name] ?? [], try merged([(a, 0.25), (b, 3)])[name] ?? []) {
      #expect(abs(x - y) < 1e-5)
    }
  }

  @Test func otherBasesAndTensorsAreRefused() throws {
    let other = try TinyModel.checkpoint(at: folder["other"], configuration, seed: 9)
    let a = try write("a", [rows("norm", 0..<32, seed: 2)])
    let b = try write("b", [rows("norm", 0..<32, seed: 2)], base: other)
    #expect {
      try sum([(a, 1), (b, 1)])
    } throws: { error in
      guard case CheckpointError.mismatch(_, _, b.baseHash, _, _) = error else { return false }
      return "\(error)".contains("only deltas of one checkpoint add up")
    }
    let own = DeltaUpdate(name: "branch", content: .tensor([2, 2], .values([1, 2, 3, 4])))
    let ladder = try write("ladder", [own])
    #expect(
      try sum([(a, 0.5), (ladder, 1)], base: base).entries.map(\.name) == ["norm", "branch"])
    #expect {
      try sum([(a, 1), (ladder, 2)])
    } throws: { error in
      guard case CheckpointError.unsupported(_, "'branch'", _, _) = error else { return false }
      return true
    }
  }

  /// Without description, the weights are the same bytes.
  @Test(arguments: [ElementType.f32, .bf16, .int8])
  func strippedDeltasKeepTheirWeights(_ type: ElementType) throws {
    let delta = try write(
      "d",
      [
        rows("layers[0].mlp.up", 3..<9, seed: 2),
        factors("layers[1].mlp.gate", rank: 2, scale: 2, seed: 1),
      ], type)
    try DeltaWriter.strip(delta, to: folder["stripped"])
    let stripped = try Delta.open(folder["stripped"])
    #expect(stripped.recipe == .null && stripped.method == .null && stripped.metrics == .null)
    #expect(stripped.identity == stripped.contentHash)
    #expect(try merged([(stripped, 1)]) == merged([(delta, 1)]))
    for (a, b) in zip(delta.entries, stripped.entries) {
      #expect(a.encoding == b.encoding && a.rows == b.rows && a.scale == b.scale)
      for (x, y) in zip(a.tensors, b.tensors) { #expect(x.data.elementsEqual(y.data)) }
    }
    let names = DeltaDisclosure(stripped).members.map(\.name)
    #expect(!names.contains { $0.hasPrefix("recipe.") || $0.hasPrefix("metrics.") })
    let before = DeltaDisclosure(delta).members
    #expect(before.contains { $0.name == "recipe.seed" && $0.value == 1 })
    #expect(before.contains { $0.name == "metrics.loss" && $0.value == 1.5 })
    #expect(before.count { $0.name.hasPrefix("entries[") } == 2)
  }
}
