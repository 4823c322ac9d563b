import Checkpoints
import Models
import Programs
import Storage
import Tensors
import TestSupport
import Testing
import Weights

/// Weights as programs read them: where the file is mapped, or merged with deltas.
@Suite struct ModelWeightsTests {
  private let folder: TemporaryFolder
  private let configuration = TinyModel.configuration()

  init() throws { folder = try TemporaryFolder() }

  private func checkpoint(
    _ elementType: ElementType, seed: UInt64 = 1
  ) throws -> Checkpoint {
    try TinyModel.checkpoint(
      at: folder["\(elementType)-\(seed).sfckpt"], configuration, seed: seed,
      elementType: elementType)
  }

  private func buffer(_ name: String, _ rows: Range<Int>) -> Buffer {
    buffer(.checkpoint(name: name, rows: rows))
  }

  private func buffer(_ contents: InitialContents) -> Buffer {
    Buffer(name: "weight", kind: .weight, byteCount: 0, location: .external, contents: contents)
  }

  /// A delta that sets rows of some tensors to numbers of their own.
  private func delta(
    _ base: Checkpoint, _ rows: [String: Range<Int>], value: Float = 0.5
  ) throws -> Delta {
    let path = folder["\(base.contentHash.prefix(8))-\(value).sfdelta"]
    let updates = rows.sorted { $0.key < $1.key }.map { name, range in
      DeltaUpdate(
        name: name,
        content: .rows(range) { (part, target) throws(CheckpointError) in
          let width = base.origin(of: name)?.rowWidth ?? 0
          for index in 0..<part.count * width { target[index] = value + Float(index) }
        })
    }
    try DeltaWriter.write(
      to: path, base: base, method: [:], recipe: [:], metrics: [:], elementType: .f32,
      updates: updates)
    return try Delta.open(path)
  }

  @Test(arguments: [ElementType.f32, .bf16, .int8])
  func untouchedWeightsAreReadWhereTheyAreMapped(elementType: ElementType) throws {
    let base = try checkpoint(elementType)
    let weights = try ModelWeights(base)
    #expect(weights.mergedBytes == 0)
    for tensor in base.tensors {
      #expect(weights.elementType(of: tensor.name) == tensor.elementType)
      let start = try #require(tensor.data.baseAddress)
      let rowBytes = tensor.rowWidth * tensor.elementType.byteCount
      let tail = 3..<tensor.rowCount
      #expect(weights.address(of: buffer(tensor.name, 0..<tensor.rowCount)) == start)
      #expect(weights.address(of: buffer(tensor.name, tail)) == start + 3 * rowBytes)
      guard let scales = tensor.scales?.baseAddress else { continue }
      #expect(
        weights.address(of: buffer(.checkpointScales(name: tensor.name, rows: tail)))
          == UnsafeRawPointer(scales + 3))
    }
  }

  @Test func buffersThatAreNoWeightsHaveNoAddress() throws {
    let weights = try ModelWeights(try checkpoint(.f32))
    #expect(weights.address(of: buffer("layers[9].mlp.up", 0..<1)) == nil)
    let cache = Buffer(name: "keys", kind: .input, byteCount: 64, location: .external)
    #expect(weights.address(of: cache) == nil)
    #expect(weights.elementType(of: "nonsense") == .f32)
  }

  @Test(arguments: [ElementType.f32, .bf16, .int8])
  func deltasAreMergedIntoF32(elementType: ElementType) throws {
    let base = try checkpoint(elementType)
    let (matrix, gain) = ("layers[1].mlp.up", "norm")
    let delta = try delta(base, [matrix: 4..<9, gain: 0..<32])
    let weights = try ModelWeights(base, deltas: [(delta, 1)])
    #expect(weights.elementType(of: matrix) == .f32)
    #expect(weights.elementType(of: "layers[0].mlp.up") == elementType)
    #expect(weights.mergedBytes == 4 * (48 * 32 + 32))

    var expected = try #require(base.tensor(matrix)).widened()
    for index in 0..<5 * 32 { expected[4 * 32 + index] = 0.5 + Float(index) }
    let address = try #require(weights.address(of: buffer(matrix, 0..<48)))
    let found = UnsafeBufferPointer(
      start: address.assumingMemoryBound(to: Float.self), count: 48 * 32)
    #expect(Array(found) == expected)
    #expect(weights.address(of: buffer(matrix, 7..<48)) == address + 4 * 7 * 32)
    #expect(rows(weights, matrix, 7..<10) == Array(expected[(7 * 32)..<(10 * 32)]))
    #expect(rows(weights, gain, 0..<32) == (0..<32).map { 0.5 + Float($0) })
    let frozen = try #require(base.tensor("embedding")).widened()
    #expect(rows(weights, "embedding", 2..<4) == Array(frozen[64..<128]))
  }

  private func rows(_ weights: ModelWeights, _ name: String, _ range: Range<Int>) -> [Float] {
    let width = weights.checkpoint.tensor(name)?.rowWidth ?? 0
    return [Float](unsafeUninitializedCapacity: range.count * width) { buffer, count in
      count = range.count * width
      if let start = buffer.baseAddress { weights.readRows(of: name, range, into: start) }
    }
  }

  /// Half of a change, and two changes of the same rows, add up: base + Σ scale · (new − base).
  @Test func scalesAndSums() throws {
    let base = try checkpoint(.f32)
    let name = "layers[0].attention.query"
    let one = try delta(base, [name: 0..<2], value: 0.5)
    let two = try delta(base, [name: 1..<3], value: 2)
    let weights = try ModelWeights(base, deltas: [(one, 0.5), (two, 1)])
    let old = try #require(base.tensor(name)).widened()
    for (row, parts) in [[(Float(0.5), 0.5, 0)], [(0.5, 0.5, 32), (2, 1, 0)], [(2, 1, 32)], []]
      .enumerated()
    {
      let found = rows(weights, name, row..<row + 1)
      for column in 0..<32 {
        let start = Double(old[row * 32 + column])
        let expected = parts.reduce(start) { sum, part in
          sum + part.1 * (Double(part.0 + Float(part.2 + column)) - start)
        }
        // Half a unit in the last place of the largest sum, 66.
        #expect(abs(Double(found[column]) - expected) < 3.9e-6)
      }
    }
  }

  @Test func refusesAnotherModelsDelta() throws {
    let other = try delta(try checkpoint(.f32, seed: 2), ["norm": 0..<32])
    let error = #expect(throws: CheckpointError.self) {
      try ModelWeights(try checkpoint(.f32), deltas: [(other, 1)])
    }
    guard case .wrongBase = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  /// Rows of a head in a delta of a tied base: the model is untied, its embedding stays mapped.
  @Test(arguments: [ElementType.f32, .bf16, .int8])
  func aHeadInADeltaUntiesTheModel(elementType: ElementType) throws {
    let base = try checkpoint(elementType)
    let weights = try ModelWeights(base, deltas: [(try delta(base, ["head": 3..<5]), 1)])
    #expect(weights.configuration == configuration.untied)
    let table = try #require(base.tensor("embedding"))
    #expect(weights.elementType(of: "head") == .f32)
    #expect(weights.elementType(of: "embedding") == elementType)
    #expect(weights.mergedBytes == 4 * table.shape.count)
    #expect(weights.address(of: buffer("embedding", 0..<40)) == table.data.baseAddress)
    var expected = table.widened()
    for index in 0..<64 { expected[96 + index] = 0.5 + Float(index) }
    var found = [Float](repeating: .nan, count: expected.count)
    try found.withUnsafeMutableBufferPointer { memory in
      weights.readRows(of: "head", 0..<40, into: try #require(memory.baseAddress))
    }
    #expect(found == expected)
    let address = try #require(weights.address(of: buffer("head", 4..<40)))
    #expect(address.loadUnaligned(as: Float.self) == expected[128])
  }
}
