import Adaptations
import Compilation
import Models
import Programs
import Tensors
import TestSupport
import Testing
import Training

/// A head of 262,144 rows costs a chunk of logits, and nothing else that grows with its rows.
@Suite struct LargeVocabularyTests {
  private static let vocabulary = 262_144
  private let configuration = TinyModel.gemma3(layers: 4, vocabularySize: Self.vocabulary)

  private func step(
    _ adaptation: some Adaptation, _ type: ElementType, _ precision: ProductPrecision
  ) throws -> CompiledStep {
    try CompiledStep(
      configuration, adaptation: adaptation, optimizer: .adamW(AdamW()), clipNorm: 1,
      shape: BatchShape(windows: 4, tokens: 64), precision: precision,
      elementType: { $0.hasSuffix("norm") ? .f32 : type })
  }

  /// Neither the logits of all 256 tokens exist, nor a copy of the embedding, nor a second mapping.
  @Test(
    arguments: [(.f32, .f32), (.bf16, .bf16), (.int8, .int8)] as [(ElementType, ProductPrecision)])
  func frozenHead(_ type: ElementType, _ precision: ProductPrecision) throws {
    let adaptations: [any Adaptation] = [
      SparseAdaptation(scheme: ["layers[3].mlp.up": 1]), SparseAdaptation(scheme: ["norm": 1]),
      LoRAAdaptation(rank: 4, alpha: 8, targets: ["layers[0].attention.query"]),
    ]
    let chunk = 4 * 64 * Self.vocabulary
    let table = Self.vocabulary * configuration.width * type.byteCount
    for adaptation in adaptations {
      let step = try step(adaptation, type, precision)
      for program in step.programs {
        let inArena = program.buffers.filter { buffer in
          if case .arena = buffer.location { buffer.byteCount > 1 << 20 } else { false }
        }
        // int8 keeps a scale for each row of what it quantises.
        #expect(inArena.map(\.byteCount).allSatisfy { $0 <= chunk }, "\(type)")
        #expect(inArena.count <= 1, "\(type)")
      }
      #expect(step.arenaBytes(threads: 2) < chunk + 8 << 20, "\(type)")
      let others = configuration.parameters.dropFirst().reduce(0) { $0 + 4 * $1.shape.count }
      let scales = type == .int8 ? 4 * Self.vocabulary : 0
      #expect(step.mappedWeightBytes <= table + scales + others, "\(type)")
    }
  }
}
