import Checkpoints
import Models
import Storage
import Tensors

/// Small random models for tests.
public enum TinyModel {
  /// Two layers, grouped key/value heads, a tied head; about 10,000 parameters.
  public static func configuration(
    width: Int = 32, hiddenWidth: Int = 48, layers: Int = 2, queryHeads: Int = 4,
    keyValueHeads: Int = 2, headWidth: Int = 8, vocabularySize: Int = 40, contextLength: Int = 64,
    rotaryScaling: RotaryScaling = .none, tiedHead: Bool = true, attentionBias: Bool = false,
    outputBias: Bool = false, mlpBias: Bool = false
  ) -> ModelConfiguration {
    ModelConfiguration(
      width: width, hiddenWidth: hiddenWidth, layers: layers, queryHeads: queryHeads,
      keyValueHeads: keyValueHeads, headWidth: headWidth, vocabularySize: vocabularySize,
      contextLength: contextLength, rotaryScaling: rotaryScaling, tiedHead: tiedHead,
      attentionBias: attentionBias, outputBias: outputBias, mlpBias: mlpBias)
  }

  /// A Gemma 3: two local blocks to a global one, windows shorter than the tests' texts, heads wider
  /// than their share of the width, a scale of attention that is not theirs.
  public static func gemma3(
    layers: Int = 3, vocabularySize: Int = 40, tiedHead: Bool = true
  ) -> ModelConfiguration {
    ModelConfiguration(
      family: Gemma3.name, width: 32, hiddenWidth: 48, layers: layers, queryHeads: 4,
      keyValueHeads: 1, headWidth: 12, vocabularySize: vocabularySize, contextLength: 128,
      normEpsilon: 1e-6, rotaryBase: 1e6, rotaryScaling: .linear(factor: 8), tiedHead: tiedHead,
      slidingWindow: 5,
      attentionPattern: layers < 3
        ? Array([.local, .global].prefix(layers)) : [.local, .local, .global],
      localRotaryBase: 1e4, queryKeyNorm: true, activation: .geluTanh,
      embeddingScale: 32.0.squareRoot(), attentionScale: 0.25)
  }

  /// Bytes in the form of a SentencePiece model with `pieces` pieces. They tell a model's file from
  /// other files, but no tokenizer works with them.
  public static func tokenizer(pieces: Int = 40) -> [UInt8] {
    (0..<pieces).flatMap { index -> [UInt8] in
      let text = Array("p\(index)".utf8)
      return [0x0A, UInt8(text.count + 2), 0x0A, UInt8(text.count)] + text
    }
  }

  /// A SentencePiece model with `pieces` pieces that can be loaded: the unknown one, and words.
  public static func wordTokenizer(pieces: Int = 40) -> [UInt8] {
    let unknown: [UInt8] = [0x0A, 9, 0x0A, 5] + Array("<unk>".utf8) + [0x18, 2]
    return unknown
      + (1..<pieces).flatMap { index -> [UInt8] in
        let text = Array("p\(index)".utf8)
        return [0x0A, UInt8(text.count + 2), 0x0A, UInt8(text.count)] + text
      }
  }

  /// Normal(0, 1) elements for every parameter, the same for the same seed.
  public static func weights(
    _ configuration: ModelConfiguration, seed: UInt64 = 1
  ) -> [String: [Float]] {
    var random = RandomSource(seed: seed)
    var weights: [String: [Float]] = [:]
    for parameter in configuration.parameters {
      weights[parameter.name] = (0..<parameter.shape.count).map { _ in Float(random.normal()) }
    }
    return weights
  }

  /// Writes a checkpoint of `weights` and opens it.
  ///
  /// - Parameters:
  ///   - tokenizer: nil for `tokenizer(pieces:)` with the vocabulary's size.
  ///   - kind: the tokenizer's kind.
  /// - Throws: `CheckpointError`.
  public static func checkpoint(
    at path: String, _ configuration: ModelConfiguration, seed: UInt64 = 1,
    elementType: ElementType = .f32, tokenizer: [UInt8]? = nil, kind: String = "sentencepiece",
    override: (String) -> ElementType? = { _ in nil }
  ) throws(CheckpointError) -> Checkpoint {
    let weights = weights(configuration, seed: seed)
    try CheckpointWriter.write(
      to: path, configuration: configuration,
      tokenizer: StoredTokenizer(
        kind: kind,
        bytes: tokenizer ?? self.tokenizer(pieces: configuration.vocabularySize)),
      metadata: ["source": "test"], elementType: elementType, override: override,
      tensors: { (name) throws(CheckpointError) in .values(weights[name] ?? []) })
    return try Checkpoint.open(path)
  }
}
