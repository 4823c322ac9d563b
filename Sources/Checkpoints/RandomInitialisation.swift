import Models
import Storage
import Tensors

/// Random weights, for pre-training and for benchmarks.
public enum RandomInitialisation {
  /// Standard deviation of matrix elements.
  public static let deviation = 0.02

  /// Writes a checkpoint with random weights; a seed gives the same weights on every machine.
  ///
  /// Matrices are normal(0, 0.02); those that write to the residual stream (`attention.output`,
  /// `mlp.down`) are scaled by 1/√(2·layers) (Radford et al. 2019, section 2.3). Gains are 1,
  /// biases 0.
  ///
  /// - Parameters:
  ///   - tokenizer: a tokenizer with at most `vocabularySize` pieces.
  /// - Returns: the content hash.
  /// - Throws: `CheckpointError`.
  @discardableResult
  public static func write(
    configuration: ModelConfiguration, tokenizer: StoredTokenizer, seed: UInt64,
    elementType: ElementType, output: String
  ) throws(CheckpointError) -> String {
    try configuration.checkUsable(path: output, field: "configuration")
    var streams: [String: (stream: UInt64, parameter: ParameterDescription)] = [:]
    for (index, parameter) in configuration.parameters.enumerated() {
      streams[parameter.name] = (UInt64(index), parameter)
    }
    return try CheckpointWriter.write(
      to: output, configuration: configuration, tokenizer: tokenizer,
      metadata: ["source": "random", "seed": .string(String(seed))], elementType: elementType,
      tensors: { (name) throws(CheckpointError) in
        guard let (stream, parameter) = streams[name] else { preconditionFailure("no '\(name)'") }
        guard parameter.isMatrix else {
          let value: Float = parameter.kind == .bias ? 0 : 1
          return .values([Float](repeating: value, count: parameter.shape.count))
        }
        let scale =
          parameter.writesToResidual ? 1 / Double(2 * configuration.layers).squareRoot() : 1
        return normal(
          seed: seed, stream: stream, width: parameter.shape[1], deviation: deviation * scale)
      })
  }

  /// Each row draws from its own random stream, so its values don't depend on the order of reads.
  private static func normal(
    seed: UInt64, stream: UInt64, width: Int, deviation: Double
  ) -> TensorSource {
    .rows { (range, target) throws(CheckpointError) in
      for row in range {
        var random = RandomSource(seed: seed, stream: stream << 32 | UInt64(row) | 1 << 63)
        let out = target + (row - range.lowerBound) * width
        for column in 0..<width { out[column] = Float(deviation * random.normal()) }
      }
    }
  }
}
