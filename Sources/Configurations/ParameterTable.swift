import Tensors

/// A parameter's name and shape, as `docs/format.md` and recipes spell it.
public struct ParameterDescription: Hashable, Sendable {
  public let name: String
  /// Matrices `[out, in]`, gains and biases `[n]`.
  public let shape: Shape

  public init(name: String, shape: Shape) {
    self.name = name
    self.shape = shape
  }

  /// Matrices may be stored in bf16 or int8; gains and biases are always f32.
  public var isMatrix: Bool { shape.rank == 2 }
}

extension ModelConfiguration {
  /// Every parameter in file order: embedding, layers from the bottom up, norm, head.
  public var parameters: [ParameterDescription] {
    var table = [ParameterDescription(name: "embedding", shape: [vocabularySize, width])]
    func add(_ name: String, _ shape: Shape) { table.append(.init(name: name, shape: shape)) }
    func linear(_ name: String, _ outputs: Int, _ inputs: Int, bias: Bool) {
      add(name, [outputs, inputs])
      if bias { add(name + ".bias", [outputs]) }
    }
    for layer in 0..<layers {
      let block = "layers[\(layer)]"
      add("\(block).attention_norm", [width])
      linear("\(block).attention.query", queryWidth, width, bias: attentionBias)
      linear("\(block).attention.key", keyValueWidth, width, bias: attentionBias)
      linear("\(block).attention.value", keyValueWidth, width, bias: attentionBias)
      linear("\(block).attention.output", width, queryWidth, bias: outputBias)
      add("\(block).mlp_norm", [width])
      linear("\(block).mlp.gate", hiddenWidth, width, bias: mlpBias)
      linear("\(block).mlp.up", hiddenWidth, width, bias: mlpBias)
      linear("\(block).mlp.down", width, hiddenWidth, bias: mlpBias)
    }
    add("norm", [width])
    if !tiedHead { add("head", [vocabularySize, width]) }
    return table
  }

  /// Every parameter that fine-tuning can change: `parameters`, and for a tied model its `head`
  /// [V, D] too. Training that unties it: it starts as the embedding and goes its own way.
  public var trainableParameters: [ParameterDescription] {
    tiedHead ? untied.parameters : parameters
  }

  /// The same shape with a head of its own.
  public var untied: ModelConfiguration {
    var copy = self
    copy.tiedHead = false
    return copy
  }

  /// Number of parameters, a tied head counted once.
  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.shape.count } }
}
