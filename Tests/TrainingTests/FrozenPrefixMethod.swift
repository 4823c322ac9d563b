import Adaptations
import TestSupport

/// Methods that leave different blocks of a model of four frozen.
enum FrozenPrefixMethod: String, CaseIterable, Sendable {
  case full, norms, none, embedding, lowestBlock, wholeTensors, rowShares, upperLoRA, lastLayer
  case normAlone, upperTinyTL, upperLadder, ladder

  /// The number of lowest blocks, of four, that no trained parameter reaches.
  var frozenBlocks: Int {
    switch self {
    case .full, .norms, .none, .embedding, .lowestBlock: 0
    case .rowShares: 1
    case .wholeTensors, .upperLoRA, .upperTinyTL: 2
    case .lastLayer: 3
    case .normAlone, .upperLadder, .ladder: 4
    }
  }

  /// The blocks below the last frozen one whose outputs the step reads.
  var lowerStreams: [Int] {
    switch self {
    case .ladder: [0, 1, 2]
    case .upperLadder: [2]
    default: []
    }
  }

  func adaptation(_ fixture: TrainingFixture) -> any Adaptation {
    switch self {
    case .full: FullAdaptation()
    case .norms: NormsAdaptation()
    case .none: NoAdaptation()
    case .embedding: SparseAdaptation(scheme: ["embedding": 0.5, "layers[3].mlp.up": 1])
    case .lowestBlock:
      SparseAdaptation(scheme: ["layers[0].mlp.down": 0.5, "layers[3].mlp.up": 1])
    case .wholeTensors:
      SparseAdaptation(scheme: ["layers[2].mlp.up": 1, "layers[3].attention.output": 1])
    case .rowShares:
      SparseAdaptation(
        scheme: ["layers[1].mlp.down": 0.34, "layers[3].attention.query": 0.5, "norm": 1])
    case .upperLoRA:
      LoRAAdaptation(
        rank: 4, alpha: 8,
        targets: Set(
          fixture.configuration.parameters.map(\.name).filter {
            $0.hasPrefix("layers[2].attention.") || $0.hasPrefix("layers[3].mlp.")
          }.filter { !$0.hasSuffix("norm") }))
    case .upperTinyTL:
      TinyTLAdaptation(units: 4, matrices: ["layers[3].attention.key"], blocks: 2..<4)
    case .upperLadder: LadderAdaptation(width: 4, blocks: 2..<4)
    case .ladder: LadderAdaptation(width: 4, blocks: 0..<4)
    case .lastLayer: LastLayersAdaptation(count: 1, layers: 4)
    case .normAlone: SparseAdaptation(scheme: ["norm": 1])
    }
  }
}
