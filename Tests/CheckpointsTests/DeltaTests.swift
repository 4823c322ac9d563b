import Checkpoints
import Models
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct DeltaTests {
  let folder: TemporaryFolder
  let configuration = TinyModel.configuration(attentionBias: true)
  let base: Checkpoint
  /// What training is taken to have arrived at.
  let trained: [String: [Float]]

  init() throws {
    folder = try TemporaryFolder()
    base = try TinyModel.checkpoint(at: folder["base"], configuration)
    trained = TinyModel.weights(configuration, seed: 2)
  }

  private func reader(_ name: String) -> RowReader {
    let values = trained[name] ?? []
    let width = base.tensor(name)?.rowWidth ?? 1
    return { (range, target) throws(CheckpointError) in
      for i in 0..<(range.count * width) { target[i] = values[range.lowerBound * width + i] }
    }
  }

  private func rows(_ name: String, _ range: Range<Int>) -> DeltaUpdate {
    DeltaUpdate(name: name, content: .rows(range, reader(name)))
  }

  private var updates: [DeltaUpdate] {
    [
      rows("layers[0].mlp.up", 0..<48), rows("layers[1].attention.output", 3..<7),
      rows("layers[1].attention.output", 20..<21), rows("layers[1].attention.query.bias", 2..<5),
      rows("norm", 0..<32),
    ]
  }

  private func write(
    _ name: String, base: Checkpoint? = nil, _ type: ElementType, _ updates: [DeltaUpdate]
  ) throws -> Delta {
    try DeltaWriter.write(
      to: folder[name], base: base ?? self.base, method: ["type": "sparse"],
      recipe: ["seed": 1], metrics: ["loss": 1.5], elementType: type, updates: updates)
    return try Delta.open(folder[name])
  }

  private func apply(_ deltas: [(delta: Delta, scale: Double)], to other: Checkpoint? = nil) throws
    -> Checkpoint
  {
    try Delta.apply(to: other ?? base, deltas: deltas, output: folder["merged"])
    return try Checkpoint.open(folder["merged"])
  }

  /// A tensor that the base has none of is kept, converted and never merged.
  @Test func newTensorsStayBesideTheBase() throws {
    let values = (0..<12).map { Float($0) / 8 }
    let update = DeltaUpdate(name: "layers[0].branch", content: .tensor([3, 4], .values(values)))
    let delta = try write("d", .f32, [rows("norm", 0..<32), update])
    let entry = try #require(delta.entries.last)
    #expect(entry.encoding == .tensor && entry.rows == 0..<3 && !entry.encoding.canBeMerged)
    #expect(entry.tensors[0].widened() == values && entry.tensors[0].shape == [3, 4])
    #expect {
      try apply([(delta, 1)])
    } throws: { error in
      guard case CheckpointError.unsupported(_, "'layers[0].branch'", _, _) = error else {
        return false
      }
      return true
    }
    try DeltaWriter.convert(delta, base: base, elementType: .bf16, to: folder["again"])
    let again = try Delta.open(folder["again"])
    #expect(again.entries.map(\.name) == ["norm", "layers[0].branch"])
    #expect(again.entries[1].tensors[0].widened() == values)
  }

  @Test func keepsEverything() throws {
    let delta = try write("d", .f32, updates)
    #expect(delta.baseHash == base.contentHash)
    #expect(delta.baseConfiguration == configuration)
    #expect(delta.method == ["type": "sparse"])
    #expect(delta.recipe == ["seed": 1])
    #expect(delta.metrics == ["loss": 1.5])
    #expect(delta.entries.map(\.rows) == [0..<48, 3..<7, 20..<21, 2..<5, 0..<32])
    #expect(delta.entries.allSatisfy { $0.encoding == .values })
    #expect(delta.storedParameters == 48 * 32 + 5 * 32 + 3 + 32)
    #expect(folder.entries == ["base", "d"])
  }

  @Test func valuesArriveBitForBit() throws {
    let merged = try apply([(try write("d", .f32, updates), 1)])
    for tensor in base.tensors {
      var expected = tensor.widened()
      for update in updates where update.name == tensor.name {
        guard case .rows(let range, _) = update.content else { continue }
        let part = (range.lowerBound * tensor.rowWidth)..<(range.upperBound * tensor.rowWidth)
        expected.replaceSubrange(part, with: trained[tensor.name]?[part] ?? [])
      }
      #expect(merged.tensor(tensor.name)?.widened() == expected, "\(tensor.name)")
    }
    #expect(merged.metadata["applied_deltas"]?[0]?["scale"]?.double == 1)
    #expect(merged.metadata["base_content_hash"]?.string == base.contentHash)
    #expect(merged.tokenizerBytes.elementsEqual(base.tokenizerBytes))
  }

  @Test func scalesAndSumsDeltas() throws {
    let a = try write("a", .f32, [rows("norm", 0..<32)])
    let b = try write("b", .f32, [rows("norm", 4..<8)])
    let old = try #require(base.tensor("norm")).widened()
    let new = try #require(trained["norm"])
    func merged(_ deltas: [(delta: Delta, scale: Double)]) throws -> [Float] {
      try #require(try apply(deltas).tensor("norm")).widened()
    }
    let sum = try merged([(a, 0.25), (b, -0.5)])
    for i in 0..<32 {
      let scale = (4..<8).contains(i) ? -0.25 : 0.25
      let expected = Double(old[i]) + scale * (Double(new[i]) - Double(old[i]))
      #expect((Double(sum[i]) - expected).magnitude < 1e-6)
    }
    #expect(try merged([(a, 0)]) == old)
    #expect(try merged([]) == old)
  }

  @Test(arguments: [ElementType.bf16, .int8])
  func narrowDeltasStoreDifferences(_ type: ElementType) throws {
    let delta = try write("d", type, updates)
    #expect(
      delta.entries.map(\.encoding) == [.difference, .difference, .difference, .values, .values])
    let merged = try apply([(delta, 1)])
    let name = "layers[0].mlp.up"
    let old = try #require(base.tensor(name)).widened()
    let new = try #require(trained[name])
    let found = try #require(merged.tensor(name))
    #expect(found.elementType == .f32)
    for (i, value) in found.widened().enumerated() {
      let difference = (new[i] - old[i]).magnitude
      // int8 halves a step of the row's largest difference, below 10 here; bf16 has 8 bits.
      let bound = type == .bf16 ? difference / 256 + 1e-6 : 10.0 / 254
      #expect((value - new[i]).magnitude <= bound)
    }
    #expect(merged.tensor("norm")?.widened() == trained["norm"])
  }

  @Test func addsLowRankFactors() throws {
    let name = "layers[0].attention.key"
    let (rank, inputs, outputs) = (3, 32, 16)
    var random = RandomSource(seed: 5)
    let a = (0..<(rank * inputs)).map { _ in Float(random.normal()) }
    let b = (0..<(outputs * rank)).map { _ in Float(random.normal()) }
    let update = DeltaUpdate(
      name: name, content: .lowRank(rank: rank, scale: 2.5, a: .values(a), b: .values(b)))
    let delta = try write("d", .f32, [update])
    #expect(delta.entries[0].tensors.map(\.name) == [name + ".lora_a", name + ".lora_b"])
    #expect(delta.entries[0].scale == 2.5)
    let old = try #require(base.tensor(name)).widened()
    let merged = try #require(try apply([(delta, 0.5)]).tensor(name)).widened()
    for o in 0..<outputs {
      for i in 0..<inputs {
        var sum = 0.0
        for r in 0..<rank { sum += Double(b[o * rank + r]) * Double(a[r * inputs + i]) }
        let expected = Double(old[o * inputs + i]) + 0.5 * 2.5 * sum
        #expect((Double(merged[o * inputs + i]) - expected).magnitude < 1e-5)
      }
    }
  }

  @Test func theWiderElementTypeWins() throws {
    let narrow = try TinyModel.checkpoint(at: folder["narrow"], configuration, elementType: .int8)
    func type(_ deltaType: ElementType) throws -> (touched: ElementType?, other: StoredTensor?) {
      let delta = try write("d", base: narrow, deltaType, updates)
      let merged = try apply([(delta, 1)], to: narrow)
      return (merged.tensor("layers[0].mlp.up")?.elementType, merged.tensor("embedding"))
    }
    #expect(try type(.f32).touched == .f32)
    #expect(try type(.bf16).touched == .bf16)
    #expect(try type(.int8).touched == .int8)
    let untouched = try #require(try type(.f32).other)
    let original = try #require(narrow.tensor("embedding"))
    #expect(untouched.elementType == .int8 && untouched.data.elementsEqual(original.data))
  }

  @Test func valuesOnANarrowBaseAreExact() throws {
    let narrow = try TinyModel.checkpoint(at: folder["narrow"], configuration, elementType: .int8)
    let delta = try write("d", base: narrow, .f32, updates)
    let merged = try apply([(delta, 1)], to: narrow)
    #expect(merged.tensor("layers[0].mlp.up")?.widened() == trained["layers[0].mlp.up"])
  }

  @Test func convertsToAnotherElementType() throws {
    let delta = try write("d", .f32, updates)
    try DeltaWriter.convert(delta, base: base, elementType: .bf16, to: folder["e"])
    let direct = try write("f", .bf16, updates)
    expectEqualTensors(try Delta.open(folder["e"]), direct)
    try DeltaWriter.convert(delta, base: base, elementType: .f32, to: folder["g"])
    expectEqualTensors(try Delta.open(folder["g"]), delta)
  }

  private func expectEqualTensors(_ found: Delta, _ expected: Delta) {
    for (entry, other) in zip(found.entries, expected.entries) {
      #expect(entry.name == other.name && entry.encoding == other.encoding)
      #expect(entry.rows == other.rows && entry.scale == other.scale)
      for (tensor, same) in zip(entry.tensors, other.tensors) {
        #expect(tensor.elementType == same.elementType && tensor.data.elementsEqual(same.data))
      }
    }
    #expect(found.entries.count == expected.entries.count)
  }

  /// A change that is written again in another element type is the same change.
  @Test func writtenAgainItIsTheSameChange() throws {
    let delta = try write("d", .f32, updates)
    #expect(delta.identity == delta.contentHash)
    try DeltaWriter.convert(delta, base: base, elementType: .bf16, to: folder["e"])
    let again = try Delta.open(folder["e"])
    try DeltaWriter.convert(again, base: base, elementType: .int8, to: folder["f"])
    let third = try Delta.open(folder["f"])
    #expect(again.identity == delta.contentHash && third.identity == delta.contentHash)
    #expect(Set([delta, again, third].map(\.contentHash)).count == 3)
    expectBadData("two types at once") { try DeltaMerge.checkRepeats([again, third]) }
    for first in [delta, again] {
      let merged = try apply([(first, 1)])
      #expect(merged.mergedDeltas == [delta.contentHash])
      for second in [delta, again, third] {
        let error = failure { _ = try apply([(second, 1)], to: merged) }
        guard case CheckpointError.alreadyMerged? = error else {
          Issue.record("\(String(describing: error))")
          continue
        }
      }
      // Merged once more with something else, the checkpoint still knows.
      let other = try write("o", base: merged, .f32, [rows("norm", 0..<32)])
      try Delta.apply(to: merged, deltas: [(other, 1)], output: folder["both"])
      #expect(
        try Checkpoint.open(folder["both"]).mergedDeltas == [delta.contentHash, other.identity])
    }
  }

  /// A base of steps of 1 in a row whose largest value stays: changes of 0.3 are swallowed, changes of
  /// 0.6 become 1, and half of each are the share of either.
  @Test func whatRoundingLeavesOfAnUpdateIsMeasured() throws {
    var weights = TinyModel.weights(configuration)
    let (name, width) = ("layers[0].mlp.up", configuration.width)
    weights[name] = (0..<48 * width).map { Float($0 % width == 0 ? 127 : $0 % 7) }
    func checkpoint(_ file: String, _ type: ElementType) throws -> Checkpoint {
      try CheckpointWriter.write(
        to: folder[file], configuration: configuration, tokenizer: base.tokenizer,
        elementType: type, tensors: { .values(weights[$0] ?? []) })
      return try Checkpoint.open(folder[file])
    }
    func survival(_ change: Float, from base: Checkpoint, as type: ElementType?) throws
      -> UpdateSurvival?
    {
      let old = try #require(base.tensor(name)).widened()
      let update = DeltaUpdate(
        name: name,
        content: .rows(0..<48) { range, target in
          for i in 0..<range.count * width {
            target[i] = old[range.lowerBound * width + i] + (i % width == 0 ? 0 : change)
          }
        })
      let delta = try write("d", base: base, .f32, [update])
      return try DeltaMerge(base: base, deltas: [(delta, 1)]).survival(as: type)
    }
    let narrow = try checkpoint("narrow", .int8)
    #expect(try survival(0.3, from: narrow, as: nil) == nil)
    let lost = try #require(try survival(0.3, from: narrow, as: .int8))
    #expect(lost.share == 0)
    #expect((lost.noise - 1).magnitude < 1e-5)
    let error = failure { try lost.check(output: "m", next: "take bf16") }
    #expect(error?.category == .badData)
    #expect(
      error?.description == """
        writing 'm': stored in int8, 0.0 % of the update is left (0.0 % in \(name)), expected at \
        least 95 % and at most 105 %; take bf16; nothing was written
        """)
    let grown = try #require(try survival(0.6, from: narrow, as: .int8))
    #expect((grown.share - 1 / 0.6).magnitude < 1e-5)
    #expect(throws: CheckpointError.self) { try grown.check(output: "m", next: "") }
    let whole = try #require(try survival(2, from: narrow, as: .int8))
    #expect((whole.share - 1).magnitude < 1e-6)
    try whole.check(output: "m", next: "")
    #expect(whole.line?.contains("stored in int8, 100.0 % of the update is left") == true)
    // Steps of 1/32 where values are from 4 to 8, and finer below.
    let fine = try #require(try survival(0.3, from: narrow, as: .bf16))
    #expect((fine.share - 1).magnitude < 0.05)
    try fine.check(output: "m", next: "")
  }

  /// Rounding that has nothing to do with the update takes nothing of it, however coarse it is.
  @Test func aBaseThatIsRoundedForTheFirstTimeKeepsSmallUpdates() throws {
    var random = RandomSource(seed: 9)
    let name = "layers[0].mlp.up"
    let old = try #require(base.tensor(name)).widened()
    // A tenth of an int8 step of most rows.
    let new = old.map { $0 + 0.002 * Float(random.normal()) }
    let width = configuration.width
    let update = DeltaUpdate(
      name: name,
      content: .rows(0..<48) { range, target in
        for i in 0..<range.count * width { target[i] = new[range.lowerBound * width + i] }
      })
    let delta = try write("d", .f32, [update])
    let survival = try #require(
      try DeltaMerge(base: base, deltas: [(delta, 1)]).survival(as: .int8))
    #expect(survival.noise > 1)
    try survival.check(output: "m", next: "")
  }

  /// Values that f32 or bf16 can't hold are named; nothing is written.
  @Test func mergedValuesStayFinite() throws {
    let (row, large) = (3, Float(3e38))
    let width = configuration.width
    let update = DeltaUpdate(
      name: "layers[0].mlp.up",
      content: .rows(0..<48) { range, target in
        for i in 0..<range.count * width {
          target[i] = range.lowerBound * width + i == row * width + 5 ? large : 0
        }
      })
    let delta = try write("d", .f32, [update])
    let error = failure { _ = try apply([(delta, 10)]) }
    let text = error?.description ?? ""
    #expect(error?.category == .badData)
    #expect(
      text.contains("tensor layers[0].mlp.up: found ∞ in row 3, column 5")
        && text.contains("--scale"))
    #expect(!folder.entries.contains("merged"))
  }

  /// A checkpoint says which deltas it contains, those of earlier merges included.
  @Test func mergesAreRemembered() throws {
    let first = try write("a", .f32, [rows("norm", 0..<32)])
    let merged = try apply([(first, 0.5)])
    #expect(merged.mergedDeltas == [first.contentHash])
    expectBadData("the delta again") { _ = try apply([(first, 1)], to: merged) }
    let second = try write("b", base: merged, .f32, [rows("layers[0].mlp.up", 0..<48)])
    try Delta.apply(to: merged, deltas: [(second, 1)], output: folder["both"])
    #expect(
      try Checkpoint.open(folder["both"]).mergedDeltas == [first.contentHash, second.contentHash])
    expectBadData("a copy of a delta") {
      _ = try folder.write(try folder.read("a"), to: "copy")
      try DeltaMerge.checkRepeats([first, second, try Delta.open(folder["copy"])])
    }
    #expect(throws: Never.self) { try DeltaMerge.checkRepeats([first, second]) }
  }

  @Test func refusesAnotherBase() throws {
    let other = try TinyModel.checkpoint(at: folder["other"], configuration, seed: 3)
    let delta = try write("d", .f32, updates)
    let error = failure { _ = try apply([(delta, 1)], to: other) }
    #expect(error?.category == .badData)
    #expect(error?.description.contains(base.contentHash) == true)
    #expect(error?.description.contains(other.contentHash) == true)
    #expect(!folder.entries.contains("merged"))
  }

  @Test func refusesDamage() throws {
    let delta = try write("d", .bf16, updates)
    let bytes = try folder.read("d")
    var random = RandomSource(seed: 4)
    for _ in 0..<300 {
      var damaged = bytes
      damaged[random.integer(below: bytes.count)] ^= 1 << UInt8(random.integer(below: 8))
      let flip = try folder.write(damaged, to: "damaged")
      expectBadData("a flip") { _ = try Delta.open(flip) }
      let length = random.integer(below: bytes.count)
      let cut = try folder.write(Array(bytes[..<length]), to: "damaged")
      expectBadData("\(length) bytes") { _ = try Delta.open(cut) }
    }
    #expect(delta.byteCount == bytes.count)
  }

  @Test func checksTheHeaderBehindTheHash() throws {
    _ = try write("d", .f32, updates)
    let a = DeltaUpdate(
      name: "layers[0].mlp.up",
      content: .lowRank(
        rank: 2, scale: 1, a: .values([Float](repeating: 0, count: 64)),
        b: .values([Float](repeating: 0, count: 96))))
    _ = try write("l", .f32, [a])
    let cases: [(file: String, path: [String], value: JSONValue?)] = [
      ("d", ["base"], nil), ("d", ["base", "content_hash"], "x"), ("d", ["method"], nil),
      ("d", ["origin"], "x"), ("d", ["origin"], .null),
      ("d", ["base", "configuration", "width"], 64), ("d", ["entries"], nil),
      ("d", ["entries", "0"], nil), ("d", ["entries", "0", "name"], "x"),
      ("d", ["entries", "0", "encoding"], "x"), ("d", ["entries", "0", "encoding"], "low_rank"),
      ("d", ["entries", "0", "rows"], 47), ("d", ["entries", "0", "rows"], 0),
      ("d", ["entries", "0", "rows"], .int(.max)), ("d", ["entries", "0", "first_row"], -1),
      ("d", ["entries", "1", "first_row"], 18), ("d", ["entries", "1", "first_row"], .int(.max)),
      ("d", ["entries", "1", "rows"], 5), ("d", ["entries", "0", "scale"], 1),
      ("d", ["entries", "2", "first_row"], 3), ("d", ["tensors", "0", "name"], "x"),
      ("d", ["tensors", "0", "shape"], [32, 48]),
      ("l", ["entries", "0", "scale"], nil), ("l", ["entries", "0", "scale"], "1"),
      ("l", ["entries", "0", "name"], "layers[0].mlp.down"),
      ("l", ["entries", "0", "name"], "norm"),
      ("l", ["tensors", "0", "shape"], [4, 16]), ("l", ["tensors", "1", "shape"], [2, 48]),
      ("l", ["entries", "0", "encoding"], "values"),
    ]
    for (file, path, value) in cases {
      var parts = TensorFileParts(try folder.read(file))
      parts.json = parts.json.replacing(path, with: value)
      let damaged = try folder.write(parts.sealed, to: "damaged")
      expectBadData("\(path.joined(separator: ".")) = \(value ?? "nothing")") {
        _ = try Delta.open(damaged)
      }
    }
  }

  @Test func refusesRowsGivenTwice() throws {
    let twice = [rows("norm", 0..<8), rows("norm", 7..<9)]
    expectBadData("rows given twice") { _ = try write("d", .f32, twice) }
  }
}
