import Graphs
import Operations
import Tensors

extension GradientCase {
  /// Values read by several nodes: their gradients are sums.
  static func fanOuts(_ random: inout RandomSource) -> [GradientCase] {
    let (rows, width) = (6, 10)
    let x = random.operand([rows, width])
    let gain = random.operand([width])
    let weights = (0..<3).map { _ in random.operand([width, width], scale: 0.4) }
    let epsilon: Float = 1e-3
    return [
      GradientCase(
        "residual: x + linear(norm(x))", [x, gain, weights[0]],
        build: { graph, ids in
          let normed = graph.add(RMSNorm(epsilon: epsilon), [ids[0], ids[1]])[0]
          let branch = graph.add(Linear(), [normed, ids[2]])[0]
          return graph.add(Add(), [ids[0], branch])[0]
        },
        forward: {
          let normed = Plain.rmsNorm($0[0], $0[1], epsilon: Double(epsilon))
          return Plain.add($0[0], Plain.linear(normed, $0[2], inputs: width))
        }),
      GradientCase(
        "read three times: swiglu(a·x, b·x) + c·x", [x] + weights,
        build: { graph, ids in
          let products = (1...3).map { graph.add(Linear(), [ids[0], ids[$0]])[0] }
          let gated = graph.add(GatedActivation(.silu), [products[0], products[1]])[0]
          return graph.add(Add(), [gated, products[2]])[0]
        },
        forward: { operands in
          let products = (1...3).map { Plain.linear(operands[0], operands[$0], inputs: width) }
          return Plain.add(Plain.swiGLU(products[0], products[1]), products[2])
        }),
      GradientCase(
        "a weight used three times, an intermediate value read three times", [x, weights[0]],
        build: { graph, ids in
          let h = graph.add(Linear(), [ids[0], ids[1]])[0]
          let left = graph.add(Linear(), [h, ids[1]])[0]
          let right = graph.add(Linear(), [h, ids[1]])[0]
          let gated = graph.add(GatedActivation(.silu), [left, right])[0]
          return graph.add(Add(), [h, gated])[0]
        },
        forward: {
          let h = Plain.linear($0[0], $0[1], inputs: width)
          let next = Plain.linear(h, $0[1], inputs: width)
          return Plain.add(h, Plain.swiGLU(next, next))
        }),
      GradientCase(
        "a product added to its own operand", [x, weights[0], weights[1]],
        build: { graph, ids in
          let h = graph.add(Linear(), [ids[0], ids[1]])[0]
          let product = graph.add(Linear(), [h, ids[2]])[0]
          return graph.add(Add(), [h, product])[0]
        },
        forward: {
          let h = Plain.linear($0[0], $0[1], inputs: width)
          return Plain.add(h, Plain.linear(h, $0[2], inputs: width))
        }),
      GradientCase(
        "swiglu of a value with itself", [x, weights[0]],
        build: { graph, ids in
          let h = graph.add(Linear(), [ids[0], ids[1]])[0]
          return graph.add(GatedActivation(.silu), [h, h])[0]
        },
        forward: {
          let h = Plain.linear($0[0], $0[1], inputs: width)
          return Plain.swiGLU(h, h)
        }),
    ] + [tiedHead(&random), lowRank(&random)]
  }

  /// One table for looking up and for scoring, in two parts.
  private static func tiedHead(_ random: inout RandomSource) -> GradientCase {
    let (rows, width, vocabulary) = (20, 6, [16, 7])
    let ids = (0..<rows).map { _ in Int32(random.integer(below: 23)) }
    let targets = (0..<rows).map { $0 == 4 ? -1 : Int32(random.integer(below: 23)) }
    var test = GradientCase(
      "tied embedding and head in two parts",
      [.integers(ids)] + vocabulary.map { random.operand([$0, width]) } + [.integers(targets)],
      build: { graph, ids in
        let x = graph.add(Embedding(parts: 2), [ids[0], ids[1], ids[2]])[0]
        return graph.add(HeadLoss(parts: 2), [x, ids[1], ids[2], ids[3]])[0]
      },
      forward: {
        let table = $0[1] + $0[2]
        let x = Plain.embedding($0[0], table, width: width)
        return Plain.headLoss(x, table, targets: $0[3], width: width)
      })
    test.hasScalarCotangent = true
    return test
  }

  /// LoRA's sum: x·Wᵀ + scale · (x·Aᵀ)·Bᵀ.
  private static func lowRank(_ random: inout RandomSource) -> GradientCase {
    GradientCase(
      "low-rank sum",
      [
        random.operand([5, 10]), random.operand([7, 10]), random.operand([2, 10]),
        random.operand([7, 2]),
      ],
      build: { graph, ids in
        let whole = graph.add(Linear(), [ids[0], ids[1]])[0]
        let down = graph.add(Linear(), [ids[0], ids[2]])[0]
        let up = graph.add(Linear(scale: 2), [down, ids[3]])[0]
        return graph.add(Add(), [whole, up])[0]
      },
      forward: {
        let down = Plain.linear($0[0], $0[2], inputs: 10)
        return Plain.add(
          Plain.linear($0[0], $0[1], inputs: 10), Plain.linear(down, $0[3], inputs: 2, scale: 2))
      })
  }
}
