import Checkpoints
import Compilation
import Datasets
import Models
import Tensors
import TestSupport
import Testing
import Training
import Weights

/// Which matmuls multiply integers, as measured.
@Suite struct ProductSelectionTests {
  private static let shape = BatchShape(windows: 4, tokens: TrainingFixture.tokens)
  private static let text = TrainingFixture.text(windows: 20)

  private static func selection(_ fixture: TrainingFixture) throws -> ProductSelection {
    ProductSelection(
      try ModelWeights(fixture.checkpoint), shape: shape, text: text, pool: fixture.pool,
      kernels: fixture.kernels)
  }

  /// A fixture whose matrix `layers[1].mlp.down` gets an input with one massive column.
  private static func planted() throws -> TrainingFixture {
    try TrainingFixture { weights, configuration in
      PlantedOutlier.plant(in: &weights, configuration, layer: 1, factor: 300)
    }
  }

  @Test func tameModelsMultiplyIntegersEverywhere() throws {
    let choice = try Self.selection(try TrainingFixture(scale: 0.05)).choose()
    #expect(choice.precision == .int8)
    #expect(choice.chosenLoss == choice.int8Loss && choice.int8Loss != choice.bf16Loss)
  }

  @Test func aMassiveColumnKeepsItsMatrixInBF16() throws {
    let fixture = try Self.planted()
    let selection = try Self.selection(fixture)
    let choice = try selection.choose()
    #expect(abs(choice.int8Loss / choice.bf16Loss - 1) > ProductSelection.bound)
    #expect(choice.precision.base == .int8)
    #expect(choice.precision.keptInBF16.contains("layers[1].mlp.down"))
    #expect(choice.precision.keptInBF16.count < 8)
    #expect(abs(choice.chosenLoss / choice.bf16Loss - 1) <= ProductSelection.bound)
    #expect(try Self.selection(fixture).choose() == choice)
    let costs = try selection.costs()
    let worst = try #require(costs.max { $0.loss < $1.loss })
    #expect(worst.matrix == "layers[1].mlp.down" && worst.outlierRatio > 30)
  }

  /// The expected cost is of the size of the measured one.
  @Test func costsAreNatsOfLoss() throws {
    let fixture = try Self.planted()
    let choice = try Self.selection(fixture).choose()
    let expected = try Self.selection(fixture).costs().reduce(0) { $0 + $1.loss }
    let measured = abs(choice.int8Loss - choice.bf16Loss)
    #expect(expected > measured / 10 && expected < measured * 10, "\(expected), \(measured)")
  }

  /// Every matmul of every family is measured, with its arithmetic.
  @Test(arguments: FamilyCase.all)
  func everyMatrixIsMeasured(family: FamilyCase) throws {
    let fixture = try TrainingFixture(family.configuration)
    let costs = try Self.selection(fixture).costs()
    let configuration = family.configuration
    let matrices = configuration.parameters.filter { $0.shape.rank == 2 }
    let lookedUp = configuration.tiedHead ? 0 : 1
    #expect(costs.count == matrices.count - lookedUp)
    for cost in costs {
      let shape = try #require(matrices.first { $0.name == cost.matrix }).shape
      #expect(cost.flopsPerToken == Double(2 * shape.count), "\(cost.matrix)")
      #expect(cost.loss.isFinite && cost.loss >= 0 && cost.outlierRatio >= 1, "\(cost.matrix)")
    }
  }

  @Test func aTextWithoutAWindowIsNotMeasured() throws {
    let fixture = try TrainingFixture()
    let choice = try ProductSelection(
      ModelWeights(fixture.checkpoint), shape: Self.shape,
      text: TokenStream(ids: [1, 2, 3], documentStarts: [0], bytes: 3), pool: fixture.pool,
      kernels: fixture.kernels
    ).choose()
    #expect(choice.precision == .bf16)
  }

  @Test func stopsWhenAsked() throws {
    let fixture = try TrainingFixture()
    #expect(
      throws: TrainingError.self,
      performing: {
        try ProductSelection(
          ModelWeights(fixture.checkpoint), shape: Self.shape, text: Self.text, pool: fixture.pool,
          kernels: fixture.kernels, shouldStop: { true }
        ).choose()
      })
  }
}
