import Checkpoints
import Models
import Storage
import Tensors
import TestSupport
import Testing

/// Deltas that hold rows of `head` for a tied base.
@Suite struct HeadDeltaTests {
  let folder: TemporaryFolder
  let configuration = TinyModel.configuration()
  /// What training is taken to have arrived at.
  let trained: [Float]

  init() throws {
    folder = try TemporaryFolder()
    trained = TinyModel.weights(configuration.untied, seed: 2)["head"] ?? []
  }

  private func base(_ elementType: ElementType = .f32) throws -> Checkpoint {
    try TinyModel.checkpoint(at: folder["base"], configuration, elementType: elementType)
  }

  /// A delta with rows of one tensor that hold `trained`'s.
  private func delta(
    _ base: Checkpoint, _ file: String, _ runs: [Range<Int>], of name: String = "head",
    type: ElementType = .f32
  ) throws -> Delta {
    let values = trained
    let updates = runs.map { run in
      DeltaUpdate(
        name: name,
        content: .rows(run) { (range, target) throws(CheckpointError) in
          for i in 0..<(range.count * 32) { target[i] = values[range.lowerBound * 32 + i] }
        })
    }
    try DeltaWriter.write(
      to: folder[file], base: base, method: [:], recipe: [:], metrics: [:], elementType: type,
      updates: updates)
    return try Delta.open(folder[file])
  }

  private func apply(_ base: Checkpoint, _ deltas: [(delta: Delta, scale: Double)]) throws
    -> Checkpoint
  {
    try Delta.apply(to: base, deltas: deltas, output: folder["merged"])
    return try Checkpoint.open(folder["merged"])
  }

  private func replacing(_ runs: [Range<Int>], in rows: [Float]) -> [Float] {
    var result = rows
    for run in runs {
      let part = run.lowerBound * 32..<run.upperBound * 32
      result.replaceSubrange(part, with: trained[part])
    }
    return result
  }

  @Test(arguments: [ElementType.f32, .bf16, .int8], [[0..<40], [1..<2, 3..<9, 39..<40]])
  func applyingUntiesTheModel(_ type: ElementType, _ runs: [Range<Int>]) throws {
    let base = try base(type)
    let delta = try self.delta(base, "d", runs)
    #expect(delta.entries.map(\.rows) == runs)
    #expect(delta.baseConfiguration.tiedHead)
    let merged = try apply(base, [(delta, 1)])
    #expect(merged.configuration == configuration.untied)
    let table = try #require(base.tensor("embedding"))
    let head = try #require(merged.tensor("head"))
    #expect(head.elementType == .f32)
    #expect(head.widened() == replacing(runs, in: table.widened()))
    for tensor in base.tensors {
      let found = try #require(merged.tensor(tensor.name))
      #expect(found.elementType == tensor.elementType)
      #expect(found.data.elementsEqual(tensor.data), "\(tensor.name)")
    }
  }

  @Test func headsScaleAndAddUp() throws {
    let base = try base()
    let (a, b) = (try delta(base, "a", [0..<8]), try delta(base, "b", [4..<40]))
    let head = try #require(try apply(base, [(a, 0.25), (b, -0.5)]).tensor("head")).widened()
    let old = try #require(base.tensor("embedding")).widened()
    for i in head.indices {
      let scale = (i / 32 < 8 ? 0.25 : 0) + (i / 32 >= 4 ? -0.5 : 0)
      let expected = Double(old[i]) + scale * (Double(trained[i]) - Double(old[i]))
      #expect((Double(head[i]) - expected).magnitude < 1e-6)
    }
  }

  /// A delta that changed a tied embedding meant the head as well; one with a head of its own did
  /// not.
  @Test func changesOfATiedEmbeddingGoIntoBoth() throws {
    let base = try base()
    let tied = try delta(base, "a", [2..<4], of: "embedding")
    let untying = try delta(base, "b", [10..<12])
    let old = try #require(base.tensor("embedding")).widened()
    let both = try apply(base, [(tied, 1), (untying, 1)])
    #expect(both.tensor("embedding")?.widened() == replacing([2..<4], in: old))
    #expect(both.tensor("head")?.widened() == replacing([2..<4, 10..<12], in: old))
    #expect(try apply(base, [(tied, 1)]).configuration.tiedHead)
  }

  @Test(arguments: [ElementType.bf16, .int8])
  func narrowDeltasStoreDifferencesToTheEmbedding(_ type: ElementType) throws {
    let base = try base()
    let runs = [0..<3, 7..<20]
    let delta = try self.delta(base, "d", runs, type: type)
    #expect(delta.entries.allSatisfy { $0.encoding == .difference })
    let head = try #require(try apply(base, [(delta, 1)]).tensor("head")).widened()
    let old = try #require(base.tensor("embedding")).widened()
    let expected = replacing(runs, in: old)
    for (i, value) in head.enumerated() {
      let difference = (expected[i] - old[i]).magnitude
      let bound = type == .bf16 ? difference / 256 + 1e-6 : 10.0 / 254
      #expect((value - expected[i]).magnitude <= bound)
    }
    // Exported again from the exact delta it has the same tensors.
    let exact = try self.delta(base, "e", runs)
    try DeltaWriter.convert(exact, base: base, elementType: type, to: folder["f"])
    for (again, first) in zip(try Delta.open(folder["f"]).entries, delta.entries) {
      #expect(again.name == first.name && again.encoding == first.encoding)
      #expect(again.tensors[0].data.elementsEqual(first.tensors[0].data))
    }
  }

  /// Thousands of runs, as a choice of pieces by frequency leaves: no pass may be quadratic.
  @Test func manyRunsOfRows() throws {
    let large = TinyModel.configuration(width: 8, vocabularySize: 6000)
    let base = try TinyModel.checkpoint(at: folder["large"], large)
    let runs = stride(from: 0, to: 6000, by: 2).map { $0..<$0 + 1 }
    let updates = runs.map { run in
      DeltaUpdate(
        name: "head",
        content: .rows(run) { (range, target) throws(CheckpointError) in
          for i in 0..<8 { target[i] = Float(range.lowerBound) }
        })
    }
    try DeltaWriter.write(
      to: folder["d"], base: base, method: [:], recipe: [:], metrics: [:], elementType: .f32,
      updates: updates)
    let head = try #require(try apply(base, [(try Delta.open(folder["d"]), 1)]).tensor("head"))
    let (found, old) = (head.widened(), try #require(base.tensor("embedding")).widened())
    for row in 0..<6000 {
      #expect(found[8 * row] == (row % 2 == 0 ? Float(row) : old[8 * row]))
    }
  }

  @Test func nonsenseIsRefused() throws {
    let base = try base()
    _ = try delta(base, "d", [0..<8, 20..<21])
    let cases: [(path: [String], value: JSONValue?)] = [
      (["entries", "0", "first_row"], 33), (["entries", "0", "rows"], 41),
      (["entries", "1", "first_row"], 7), (["entries", "0", "name"], "heads"),
      (["entries", "0", "name"], "head.bias"), (["tensors", "0", "shape"], [8, 16, 2]),
    ]
    for (path, value) in cases {
      var parts = TensorFileParts(try folder.read("d"))
      parts.json = parts.json.replacing(path, with: value)
      let damaged = try folder.write(parts.sealed, to: "damaged")
      expectBadData("\(path.joined(separator: ".")) = \(value ?? "nothing")") {
        _ = try Delta.open(damaged)
      }
    }
    expectBadData("rows given twice") { _ = try self.delta(base, "d", [5..<8, 0..<6]) }
  }
}
