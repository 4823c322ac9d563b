import Graphs
import Operations
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

extension GradientCase {
  static let all: [GradientCase] =
    linears + norms + rotaries + attentions + slidingWindows + gatedActivations + headLosses
    + selectedHeadLosses
    + embeddings + sums

  static var linears: [GradientCase] {
    var random = RandomSource(seed: 1)
    var cases = [(1, 1, 1), (3, 7, 5), (5, 16, 33), (37, 40, 24), (70, 33, 17)].map { n, i, o in
      GradientCase(
        "linear \(n)x\(i)x\(o)", Linear(),
        [random.operand([n, i]), random.operand([o, i])]
      ) { Plain.linear($0[0], $0[1], inputs: i) }
    }
    cases.append(
      GradientCase(
        "linear bias scale", Linear(scale: 0.5, hasBias: true),
        [random.operand([6, 9]), random.operand([11, 9]), random.operand([11])]
      ) { Plain.linear($0[0], $0[1], inputs: 9, scale: 0.5, bias: $0[2]) })
    cases.append(
      GradientCase(
        "linear accumulate", Linear(scale: -2, accumulates: true),
        [random.operand([6, 9]), random.operand([11, 9]), random.operand([6, 11])]
      ) { Plain.linear($0[0], $0[1], inputs: 9, scale: -2, initial: $0[2]) })
    cases.append(
      GradientCase(
        "linear parts bias accumulate", Linear(parts: 3, hasBias: true, accumulates: true),
        [
          random.operand([20, 12]), random.operand([16, 12]), random.operand([1, 12]),
          random.operand([7, 12]), random.operand([24]), random.operand([20, 24]),
        ]
      ) {
        Plain.linear($0[0], $0[1] + $0[2] + $0[3], inputs: 12, bias: $0[4], initial: $0[5])
      })
    for rows in [3, 20] {
      cases.append(
        GradientCase(
          "linear f32 bf16 int8 parts of \(rows) rows", Linear(parts: 3, scale: 1.5),
          [
            random.operand([rows, 24]), random.operand([5, 24]),
            .bf16([19, 24], random.normals(19 * 24)), .int8([9, 24], random.normals(9 * 24)),
          ]
        ) { Plain.linear($0[0], $0[1] + $0[2] + $0[3], inputs: 24, scale: 1.5) })
    }
    return cases
  }

  static var norms: [GradientCase] {
    var random = RandomSource(seed: 2)
    let whole = [(1, 1), (3, 8), (5, 17), (20, 65)].map { rows, width in
      GradientCase(
        "rmsnorm \(rows)x\(width)", RMSNorm(epsilon: 1e-3),
        [random.operand([rows, width]), random.operand([width])]
      ) { Plain.rmsNorm($0[0], $0[1], epsilon: Double(Float(1e-3))) }
    }
    let byHead = [(1, 1, 2), (3, 4, 8), (5, 1, 18), (20, 3, 66)].map { rows, heads, width in
      GradientCase(
        "head norm \(rows)x\(heads)x\(width)", RMSNorm(epsilon: 1e-3, isPerHead: true),
        [random.operand([rows, heads * width]), random.operand([width])]
      ) { Plain.rmsNorm($0[0], $0[1], epsilon: Double(Float(1e-3))) }
    }
    return whole + byHead
  }

  static var rotaries: [GradientCase] {
    var random = RandomSource(seed: 3)
    var cases: [GradientCase] = []
    for (heads, headWidth, tokens) in [(1, 2, 1), (2, 8, 3), (3, 18, 5), (4, 32, 9)] {
      for isInverse in [false, true] {
        let angles = (0..<tokens * headWidth / 2).map { Float($0) * 0.37 }
        let table: Shape = [tokens, headWidth / 2]
        cases.append(
          GradientCase(
            "rotary \(heads)x\(headWidth) of \(tokens)\(isInverse ? " inverse" : "")",
            Rotary(heads: heads, tokens: tokens, isInverse: isInverse),
            [
              random.operand([2 * tokens, heads * headWidth]),
              .float(table, angles.map { cos($0) }, isDifferentiable: false),
              .float(table, angles.map { sin($0) }, isDifferentiable: false),
            ]
          ) {
            Plain.rotary(
              $0[0], $0[1], $0[2], heads: heads, headWidth: headWidth, tokens: tokens,
              isInverse: isInverse)
          })
      }
    }
    return cases
  }

  static var attentions: [GradientCase] {
    var random = RandomSource(seed: 4)
    let heads = [(1, 1, 2), (2, 1, 4), (4, 2, 8), (6, 2, 10), (3, 3, 16)]
    var cases: [GradientCase] = []
    for tokens in Array(1...33) + [65] {
      let (queryHeads, keyValueHeads, headWidth) = heads[tokens % heads.count]
      for hasDocuments in [false, true] where hasDocuments == (tokens % 2 == 0) || tokens > 15 {
        let windows = tokens < 32 ? 2 : 1
        let rows = windows * tokens
        var starts = [Int32](repeating: 0, count: rows)
        for n in 0..<rows where hasDocuments && n % tokens > 0 {
          starts[n] = random.uniform() < 0.3 ? Int32(n % tokens) : starts[n - 1]
        }
        let layout = AttentionLayout(
          tokens: tokens, queryHeads: queryHeads, keyValueHeads: keyValueHeads,
          headWidth: headWidth)
        cases.append(
          GradientCase(
            "attention \(queryHeads)/\(keyValueHeads)x\(headWidth) of \(tokens)"
              + (hasDocuments ? " documents" : ""),
            Attention(layout: layout),
            [
              random.operand([rows, queryHeads * headWidth]),
              random.operand([rows, keyValueHeads * headWidth]),
              random.operand([rows, keyValueHeads * headWidth]), .integers(starts),
            ]
          ) {
            Plain.attention(
              $0[0], $0[1], $0[2], starts: $0[3], tokens: tokens, queryHeads: queryHeads,
              keyValueHeads: keyValueHeads, headWidth: headWidth)
          })
      }
    }
    return cases
  }

  /// Windows of a few tokens, within and across documents, and longer than all tokens; with a scale.
  static var slidingWindows: [GradientCase] {
    var random = RandomSource(seed: 12)
    return [(5, 2), (9, 3), (33, 8), (40, 33), (37, 20), (6, 9)].flatMap { tokens, window in
      [false, true].map { hasDocuments in
        var starts = [Int32](repeating: 0, count: 2 * tokens)
        for n in starts.indices where hasDocuments && n % tokens > 0 {
          starts[n] = random.uniform() < 0.2 ? Int32(n % tokens) : starts[n - 1]
        }
        let layout = AttentionLayout(
          tokens: tokens, queryHeads: 4, keyValueHeads: 2, headWidth: 6, scale: 0.25,
          window: window)
        return GradientCase(
          "attention of \(tokens) by windows of \(window)" + (hasDocuments ? " documents" : ""),
          Attention(layout: layout),
          [
            random.operand([2 * tokens, 24]), random.operand([2 * tokens, 12]),
            random.operand([2 * tokens, 12]), .integers(starts),
          ]
        ) {
          Plain.attention(
            $0[0], $0[1], $0[2], starts: $0[3], tokens: tokens, queryHeads: 4, keyValueHeads: 2,
            headWidth: 6, scale: 0.25, window: window)
        }
      }
    }
  }

  static var gatedActivations: [GradientCase] {
    var random = RandomSource(seed: 5)
    return Activation.allCases.flatMap { activation in
      [(1, 1), (3, 9), (5, 64), (2, 2500)].map { rows, width in
        GradientCase(
          "\(activation) gate \(rows)x\(width)", GatedActivation(activation),
          [random.operand([rows, width], scale: 3), random.operand([rows, width])]
        ) { activation == .silu ? Plain.swiGLU($0[0], $0[1]) : Plain.geGLU($0[0], $0[1]) }
      }
    }
  }

  static var headLosses: [GradientCase] {
    var random = RandomSource(seed: 6)
    var cases: [GradientCase] = []
    // 0 bytes of logits: chunks of 16 tokens.
    for (rows, vocabularies, logitsBytes) in [
      (1, [2], 1 << 20), (5, [37], 1 << 20), (40, [21], 0), (35, [16, 5], 0), (33, [1, 30, 9], 0),
    ] {
      let width = 12
      let vocabulary = vocabularies.reduce(0, +)
      var operation = HeadLoss(parts: vocabularies.count)
      operation.logitsBytes = logitsBytes
      operation.leastTokens = 16
      let targets = (0..<rows).map { n in
        n % 4 == 3 ? -1 : Int32(random.integer(below: vocabulary))
      }
      let parts = vocabularies.map { random.operand([$0, width], scale: 0.5) }
      var test = GradientCase(
        "head loss of \(rows) tokens, vocabulary \(vocabularies)", operation,
        [random.operand([rows, width])] + parts + [.integers(targets)]
      ) { operands in
        Plain.headLoss(
          operands[0], operands[1...vocabularies.count].flatMap { $0 },
          targets: operands[1 + vocabularies.count], width: width)
      }
      test.hasScalarCotangent = true
      cases.append(test)
    }
    return cases
  }

  /// Heads with selected rows: some of one part, all, none of a part, in any order; parts in f32 that
  /// train as well (their gradient at selected rows is zero), and frozen ones in bf16 and int8.
  static var selectedHeadLosses: [GradientCase] {
    var random = RandomSource(seed: 10)
    let width = 12
    func integers(_ values: [Int]) -> CaseOperand { .integers(values.map(Int32.init)) }
    var cases: [GradientCase] = []
    for (rows, vocabularies, ids, types) in [
      (5, [37], [0, 3, 4, 11, 36], "f"), (40, [21], Array(0..<21), "f"), (1, [2], [1], "f"),
      (33, [16, 5], [2, 15, 16], "ff"), (35, [9, 20], [25, 1, 10], "bi"), (20, [30], [29], "i"),
    ] {
      let vocabulary = vocabularies.reduce(0, +)
      var operation = HeadLoss(parts: vocabularies.count, hasSelectedRows: true)
      operation.logitsBytes = rows == 5 ? 1 << 20 : 0
      operation.leastTokens = 16
      let targets = (0..<rows).map { n in n % 4 == 3 ? -1 : random.integer(below: vocabulary) }
      let parts = zip(vocabularies, types).map { count, type -> CaseOperand in
        let values = random.normals(count * width, scale: 0.5)
        switch type {
        case "b": return .bf16([count, width], values)
        case "i": return .int8([count, width], values)
        default: return .float([count, width], values)
        }
      }
      var test = GradientCase(
        "head loss of \(rows) tokens, vocabulary \(vocabularies) \(types), rows \(ids) selected",
        operation,
        [random.operand([rows, width])] + parts
          + [integers(targets), integers(ids), random.operand([ids.count, width], scale: 0.5)]
      ) { operands in
        var head = operands[1...vocabularies.count].flatMap { $0 }
        for (place, id) in ids.enumerated() {
          let row = operands[3 + vocabularies.count][place * width..<(place + 1) * width]
          head.replaceSubrange(id * width..<(id + 1) * width, with: row)
        }
        return Plain.headLoss(
          operands[0], head, targets: operands[1 + vocabularies.count], width: width)
      }
      test.hasScalarCotangent = true
      cases.append(test)
    }
    return cases
  }

  static var embeddings: [GradientCase] {
    var random = RandomSource(seed: 8)
    return [([9], 1), ([16, 5], 7), ([3, 1, 30], 33)].map { vocabularies, width in
      let vocabulary = vocabularies.reduce(0, +)
      let ids = (0..<25).map { _ in Int32(random.integer(below: vocabulary)) }
      return GradientCase(
        "embedding \(vocabularies)x\(width)", Embedding(parts: vocabularies.count),
        [.integers(ids)] + vocabularies.map { random.operand([$0, width]) }
      ) { Plain.embedding($0[0], $0[1...].flatMap { $0 }, width: width) }
    }
  }

  static var sums: [GradientCase] {
    var random = RandomSource(seed: 9)
    var cases = [
      GradientCase("add", Add(), [random.operand([3, 50]), random.operand([3, 50])]) {
        Plain.add($0[0], $0[1])
      },
      GradientCase("scale", Scale(25.3), [random.operand([3, 50])]) {
        $0[0].map { Double(Float(25.3)) * $0 }
      },
      GradientCase(
        "a value added to itself", [random.operand([3, 5])],
        build: { graph, ids in graph.add(Add(), [ids[0], ids[0]])[0] },
        forward: { Plain.add($0[0], $0[0]) }),
    ]
    cases += fanOuts(&random)
    return cases
  }
}
