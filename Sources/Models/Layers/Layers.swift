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
  let width: Int
  let epsilon: Double

  func callAsFunction(_ x: Traced) -> Traced {
    x.module(path) { x in
      let gain = x.tracer.parameter(path, [width], kind: .gain)
      return x.applying(RMSNorm(epsilon: Float(epsilon)), gain)[0]
    }
  }
}

/// An embedding table with a row for each token of the vocabulary.
struct EmbeddingLayer {
  let path: String
  let vocabularySize: Int
  let width: Int

  func callAsFunction(_ tokens: Traced) -> Traced {
    tokens.module(path) { tokens in
      let table = tokens.tracer.parameter(path, [vocabularySize, width], kind: .table)
      return tokens.applying(Embedding(), table)[0]  // [N, D]
    }
  }
}

/// The sum of two values, so that residual connections read as sums.
func + (left: Traced, right: Traced) -> Traced { left.applying(Add(), right)[0] }

/// The MLP of a block: down(silu(gate(x)) · up(x)).
struct GatedMLP {
  let path: String
  let gate: LinearLayer
  let up: LinearLayer
  let down: LinearLayer

  func callAsFunction(_ x: Traced) -> Traced {
    x.module(path) { x in
      down(gate(x).applying(GatedActivation(.silu), up(x))[0])  // [N, H] → [N, D]
    }
  }
}
