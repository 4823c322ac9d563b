import Checkpoints
import Models
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct RandomInitialisationTests {
  private func initialise(
    _ folder: TemporaryFolder, _ name: String, seed: UInt64,
    _ configuration: ModelConfiguration = TinyModel.configuration(width: 128, attentionBias: true)
  ) throws -> Checkpoint {
    try RandomInitialisation.write(
      configuration: configuration,
      tokenizer: StoredTokenizer(kind: "sentencepiece", bytes: TinyModel.tokenizer()), seed: seed,
      elementType: .f32, output: folder[name])
    return try Checkpoint.open(folder[name])
  }

  @Test(arguments: FamilyCase.all) func drawsWithTheRightDeviation(_ family: FamilyCase) throws {
    var configuration = family.configuration
    configuration.width = 128
    let checkpoint = try initialise(TemporaryFolder(), "x", seed: 1, configuration)
    for tensor in checkpoint.tensors {
      let values = tensor.widened()
      if tensor.shape.rank == 1 {
        let expected: Float = tensor.name.hasSuffix(".bias") ? 0 : 1
        #expect(values.allSatisfy { $0 == expected })
        continue
      }
      let isResidual = tensor.name.hasSuffix("attention.output") || tensor.name.hasSuffix("down")
      let expected = isResidual ? 0.01 : 0.02
      let squares = values.reduce(0.0) { $0 + Double($1) * Double($1) }
      let deviation = (squares / Double(values.count)).squareRoot()
      // 2,048 or more draws: the estimate's own deviation is below 1.6 percent.
      #expect((deviation / expected - 1).magnitude < 0.08, "\(tensor.name) \(deviation)")
      let mean = values.reduce(0.0) { $0 + Double($1) } / Double(values.count)
      #expect(mean.magnitude < 0.12 * expected, "\(tensor.name) \(mean)")
    }
  }

  @Test func theSeedDecides() throws {
    let folder = try TemporaryFolder()
    let a = try initialise(folder, "a", seed: 1)
    let b = try initialise(folder, "b", seed: 1)
    let c = try initialise(folder, "c", seed: 2)
    #expect(a.contentHash == b.contentHash)
    #expect(a.contentHash != c.contentHash)
    let name = "layers[0].mlp.gate"
    #expect(a.tensor(name)?.widened() != c.tensor(name)?.widened())
    #expect(a.tensor(name)?.widened() != a.tensor("layers[0].mlp.up")?.widened())
  }
}
