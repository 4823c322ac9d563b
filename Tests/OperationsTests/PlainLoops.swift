#if canImport(Glibc)
  import Glibc
#endif

/// Every operation's forward pass as plain loops in Double, written from the formulas.
enum Plain {
  /// y = scale · x·Wᵀ (+ b) (+ initial), W [O, I] whole.
  static func linear(
    _ x: [Double], _ weight: [Double], inputs: Int, scale: Double = 1, bias: [Double]? = nil,
    initial: [Double]? = nil
  ) -> [Double] {
    let (rows, outputs) = (x.count / inputs, weight.count / inputs)
    var y = [Double](repeating: 0, count: rows * outputs)
    for n in 0..<rows {
      for o in 0..<outputs {
        var sum = 0.0
        for i in 0..<inputs { sum += x[n * inputs + i] * weight[o * inputs + i] }
        y[n * outputs + o] = scale * sum + (bias?[o] ?? 0) + (initial?[n * outputs + o] ?? 0)
      }
    }
    return y
  }

  static func rmsNorm(_ x: [Double], _ gain: [Double], epsilon: Double) -> [Double] {
    let width = gain.count
    var y = x
    for row in 0..<x.count / width {
      let slice = x[row * width..<(row + 1) * width]
      let mean = slice.reduce(0) { $0 + $1 * $1 } / Double(width)
      for d in 0..<width {
        y[row * width + d] = gain[d] * x[row * width + d] / (mean + epsilon).squareRoot()
      }
    }
    return y
  }

  /// Row n stands at position n mod T of tables [T, hw/2].
  static func rotary(
    _ x: [Double], _ cosine: [Double], _ sine: [Double], heads: Int, headWidth: Int, tokens: Int,
    isInverse: Bool
  ) -> [Double] {
    let half = headWidth / 2
    let sign = isInverse ? -1.0 : 1.0
    var y = x
    for row in 0..<x.count / (heads * headWidth) {
      for head in 0..<heads {
        let base = (row * heads + head) * headWidth
        for i in 0..<half {
          let (c, s) = (cosine[row % tokens * half + i], sign * sine[row % tokens * half + i])
          y[base + i] = x[base + i] * c - x[base + half + i] * s
          y[base + half + i] = x[base + half + i] * c + x[base + i] * s
        }
      }
    }
    return y
  }

  /// Causal attention within documents, to the last `window` tokens; q [N, Hq·hw], k, v [N, Hkv·hw], starts [N].
  static func attention(
    _ q: [Double], _ k: [Double], _ v: [Double], starts: [Double], tokens: Int, queryHeads: Int,
    keyValueHeads: Int, headWidth: Int, scale: Double? = nil, window: Int? = nil
  ) -> [Double] {
    var o = [Double](repeating: 0, count: q.count)
    for n in starts.indices {
      let row = n / tokens * tokens
      let first = max(row + Int(starts[n]), n - (window ?? tokens) + 1)
      let keys = first...n
      for head in 0..<queryHeads {
        let group = head / (queryHeads / keyValueHeads)
        let query = (n * queryHeads + head) * headWidth
        func key(_ j: Int) -> Int { (j * keyValueHeads + group) * headWidth }
        var weights = keys.map { j in
          (0..<headWidth).reduce(0.0) { $0 + q[query + $1] * k[key(j) + $1] }
            * (scale ?? 1 / Double(headWidth).squareRoot())
        }
        let highest = weights.max() ?? 0
        weights = weights.map { exp($0 - highest) }
        let total = weights.reduce(0, +)
        for (j, weight) in zip(keys, weights) {
          for d in 0..<headWidth { o[query + d] += weight / total * v[key(j) + d] }
        }
      }
    }
    return o
  }

  static func swiGLU(_ gate: [Double], _ up: [Double]) -> [Double] {
    zip(gate, up).map { $0 / (1 + exp(-$0)) * $1 }
  }

  static func geGLU(_ gate: [Double], _ up: [Double]) -> [Double] {
    zip(gate, up).map { g, u in
      g / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (g + 0.044715 * g * g * g))) * u
    }
  }

  static func add(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + $1 } }

  /// The loss of each token; −1 as a target is not scored.
  static func headLoss(
    _ x: [Double], _ head: [Double], targets: [Double], width: Int
  ) -> [Double] {
    let logits = linear(x, head, inputs: width)
    let vocabulary = head.count / width
    return targets.indices.map { n in
      guard targets[n] >= 0 else { return 0 }
      let row = logits[n * vocabulary..<(n + 1) * vocabulary]
      let highest = row.max() ?? 0
      let sum = row.reduce(0) { $0 + exp($1 - highest) }
      return highest + log(sum) - row[row.startIndex + Int(targets[n])]
    }
  }

  static func embedding(_ ids: [Double], _ table: [Double], width: Int) -> [Double] {
    ids.flatMap { table[Int($0) * width..<(Int($0) + 1) * width] }
  }
}
