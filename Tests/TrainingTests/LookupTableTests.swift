import Adaptations
import Checkpoints
import Compilation
import Tensors
import TestSupport
import Testing
import Weights

@testable import Training

/// Embeddings of which only the rows of a micro-batch's tokens are in memory.
@Suite struct LookupTableTests {
  private static func fixture(tiedHead: Bool, _ type: ElementType = .f32) throws -> TrainingFixture
  {
    try TrainingFixture(
      TinyModel.configuration(width: 64, vocabularySize: 4000, tiedHead: tiedHead),
      elementType: type)
  }

  @Test(arguments: [ElementType.f32, .bf16, .int8])
  func rowsAreTheTablesRows(_ type: ElementType) throws {
    let fixture = try Self.fixture(tiedHead: false, type)
    let tensor = try #require(fixture.checkpoint.tensor("embedding"))
    let table = try LookupTable(tensor, rows: 0..<4000)
    var tokens: [Int32] = [7, 3999, 0, 7]
    for _ in 0..<2 {
      tokens.withUnsafeMutableBufferPointer { table.load($0) }
      let rowBytes = tensor.data.count / 4000
      for token in tokens {
        let range = Int(token) * rowBytes..<(Int(token) + 1) * rowBytes
        let found = UnsafeRawBufferPointer(start: table.address + range.lowerBound, count: rowBytes)
        #expect(found.elementsEqual(tensor.data[range]))
      }
      tokens = [1, 2]
    }
  }

  /// A step of few tokens counts their rows; one of many, or with a head that is the embedding,
  /// counts the table. Losses do not depend on it.
  @Test func onlyTablesThatNothingElseReadsAreLookedUp() throws {
    let untied = try Self.fixture(tiedHead: false)
    let few = TrainingFixture.settings(steps: 1, windows: 2)
    let many = TrainingFixture.settings(steps: 1, windows: 24)
    let adaptation = SparseAdaptation(scheme: ["layers[1].mlp.up": 1])
    let (small, large) = (
      try untied.session(adaptation, few), try untied.session(adaptation, many)
    )
    let bytes = 4 * 64 * 4000
    #expect(small.step.lookedUpTable?.residentBytes == 24 * 4096)
    #expect(large.step.lookedUpTable == nil)
    #expect(
      large.step.mappedWeightBytes - small.step.mappedWeightBytes == bytes - 24 * 4096)
    let text = TrainingFixture.text(windows: 24, ids: 100..<3900)
    for window in 0..<24 { large.fill(row: window, from: text, window: window) }
    let expected = large.scoreRows()
    for window in stride(from: 0, to: 24, by: 2) {
      for row in 0..<2 { small.fill(row: row, from: text, window: window + row) }
      for (row, loss) in small.scoreRows().enumerated() {
        #expect(abs(loss - expected[window + row]) < 1e-4 * loss)
      }
    }
    let tied = try Self.fixture(tiedHead: true)
    #expect(try tied.step(adaptation, few).lookedUpTable == nil)
    #expect(try tied.step(SparseAdaptation(scheme: ["head": 0.5]), few).lookedUpTable == nil)
    // A head that trains whole leaves the embedding to the lookup.
    #expect(try tied.step(SparseAdaptation(scheme: ["head": 1]), few).lookedUpTable != nil)
  }

  /// Where the first rows of the embedding train, the rest begins further on in the table.
  @Test func partsOfATableAreInTheirPlaces() throws {
    let fixture = try Self.fixture(tiedHead: false)
    let few = TrainingFixture.settings(steps: 1, windows: 2)
    let text = TrainingFixture.text(windows: 2, ids: 100..<3900)
    func losses(_ scheme: [String: Double]) throws -> (rows: [Double], isLookedUp: Bool) {
      let session = try fixture.session(SparseAdaptation(scheme: scheme), few)
      for row in 0..<2 { session.fill(row: row, from: text, window: row) }
      return (session.scoreRows(), session.step.lookedUpTable != nil)
    }
    let (part, whole) = (try losses(["embedding": 0.5]), try losses(["embedding": 1]))
    #expect(part.isLookedUp && !whole.isLookedUp)
    for (a, b) in zip(part.rows, whole.rows) { #expect(abs(a - b) < 1e-4 * b) }
  }

  /// A delta's embedding is in memory: its rows count, not the file's.
  @Test func aMergedTableIsNotLookedUp() throws {
    let fixture = try Self.fixture(tiedHead: false)
    let few = TrainingFixture.settings(steps: 2, windows: 2, learningRate: 0.1)
    let trained = try fixture.train(SparseAdaptation(scheme: ["embedding": 1]), few).session
    let path = fixture.folder["trained.sfdelta"]
    try DeltaWriter.write(
      to: path, base: fixture.checkpoint, method: .null, recipe: .null, metrics: .null,
      elementType: .f32, updates: try trained.deltaUpdates())
    let text = TrainingFixture.text(windows: 2)
    func losses(_ weights: ModelWeights) throws -> [Double] {
      let step = try fixture.step(NoAdaptation(), few, weights: weights)
      #expect(step.lookedUpTable != nil)
      let session = try Session(
        step, weights: weights, pool: fixture.pool, kernels: fixture.kernels, seed: 1)
      for row in 0..<2 { session.fill(row: row, from: text, window: row) }
      return session.scoreRows()
    }
    for row in 0..<2 { trained.fill(row: row, from: text, window: row) }
    let expected = trained.scoreRows()
    let merged = try ModelWeights(
      fixture.checkpoint, deltas: [(delta: try Delta.open(path), scale: 1)])
    let plain = try losses(ModelWeights(fixture.checkpoint))
    for (row, loss) in try losses(merged).enumerated() {
      #expect(abs(loss - expected[row]) < 1e-5 * loss)
      #expect(abs(loss - plain[row]) > 1e-3 * loss)
    }
  }
}
