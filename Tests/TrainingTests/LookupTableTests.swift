import Adaptations
import Compilation
import Tensors
import TestSupport
import Testing

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
    let table = try LookupTable(tensor)
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
}
