import Graphs
import Operations
import Tensors

// Letters: N = B·T tokens, D width, H hidden width, V vocabulary.

/// A linear map x·Wᵀ (+ b) named by its path.
struct LinearLayer {
  let path: String
  let inputs: Int
  let outputs: Int
  var hasBias = false

  func callAsFunction(_ x: Traced) -> Traced {
    x.module(path) { x in
      let weight = x.tracer.parameter(path, [outputs, inputs])  // [O, I]
      guard hasBias else { return x.applying(Linear(), weight)[0] }
      let bias = x.tracer.parameter(path + ".bias", [outputs], kind: .bias)
      return x.applying(Linear(hasBias: true), weight, bias)[0]  // [N, O]
    }
  }
}

/// Root-mean-square normalisation with a gain named by its path.
struct RMSNormLayer {
  let path: String
  /// The gain's width: the row's, or a head's.
  let width: Int
  let epsilon: Double
  /// Whether every head of a row is normalised by itself.
  var isPerHead = false

  func callAsFunction(_ x: Traced) -> Traced {
    x.module(path) { x in
      let gain = x.tracer.parameter(path, [width], kind: .gain)
      return x.applying(RMSNorm(epsilon: Float(epsilon), isPerHead: isPerHead), gain)[0]
    }
  }
}

extension RMSNormLayer {
  /// The norm over the residual stream of that role, in a block or behind all of them.
  init(_ configuration: ModelConfiguration, layer: Int? = nil, _ role: ParameterRole) {
    self.init(
      path: ParameterPath(layer: layer, role).description, width: configuration.width,
      epsilon: configuration.normEpsilon)
  }
}

/// An embedding table with a row for each token of the vocabulary.
struct EmbeddingLayer {
  let path: String
  let vocabularySize: Int
  let width: Int
  /// What rows are multiplied by.
  var scale = 1.0

  func callAsFunction(_ tokens: Traced) -> Traced {
    tokens.module(path) { tokens in
      let table = tokens.tracer.parameter(path, [vocabularySize, width], kind: .table)
      let rows = tokens.applying(Embedding(), table)[0]  // [N, D]
      return scale == 1 ? rows : rows.applying(Scale(Float(scale)))[0]
    }
  }
}

/// The sum of two values, so that residual connections read as sums.
func + (left: Traced, right: Traced) -> Traced { left.applying(Add(), right)[0] }

/// The MLP of a block: down(f(gate(x)) · up(x)), f being silu or gelu.
struct GatedMLP {
  let path: String
  let gate: LinearLayer
  let up: LinearLayer
  let down: LinearLayer
  var activation = Activation.silu

  func callAsFunction(_ x: Traced) -> Traced {
    x.module(path) { x in
      down(gate(x).applying(GatedActivation(activation), up(x))[0])  // [N, H] → [N, D]
    }
  }
}

extension GatedMLP {
  /// The MLP of a block.
  init(_ configuration: ModelConfiguration, layer: Int) {
    let (width, hidden) = (configuration.width, configuration.hiddenWidth)
    func linear(_ kind: LinearKind, _ inputs: Int, _ outputs: Int) -> LinearLayer {
      LinearLayer(
        path: kind.path(layer: layer), inputs: inputs, outputs: outputs,
        hasBias: configuration.mlpBias)
    }
    self.init(
      path: ParameterPath.mlp(layer), gate: linear(.gate, width, hidden),
      up: linear(.up, width, hidden), down: linear(.down, hidden, width),
      activation: configuration.activation)
  }
}
