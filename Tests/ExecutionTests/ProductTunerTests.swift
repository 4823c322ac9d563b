import Graphs
import Operations
import Programs
import Synchronization
import Tensors
import Testing

@testable import Execution

/// A product and its operands in an arena of its own.
private struct Workbench {
  let program: Program
  let pool: WorkerPool

  init(_ product: Product) throws {
    var offset = 0
    // The first operand, the second one, and the result.
    let (m, n, k) = (product.m, product.n, product.k)
    let counts =
      switch product.kind {
      case .forward: [m * k, n * k, m * n]
      case .inputGradient: [m * n, n * k, m * k]
      case .weightGradient: [m * n, m * k, n * k]
      }
    let buffers = counts.map { 4 * $0 }.enumerated().map { index, bytes in
      defer { offset += (bytes + 63) & ~63 }
      return Buffer(
        name: "b\(index)", kind: .activation, byteCount: bytes, location: .arena(offset: offset),
        isPersistent: true,
        contents: index == 2 ? .zeros : .values((0..<bytes / 4).map(Self.value)))
    }
    let matmul = MatrixProduct(product, split: .columns)
    var call = KernelCall(
      matmul,
      buffers: matmul.buffers(
        left: BufferView(buffer: 0), right: BufferView(buffer: 1), result: BufferView(buffer: 2)))
    call.flops = 1 << 30
    program = Program(
      buffers: buffers, calls: [call], arenaBytes: offset, persistentBytes: offset)
    pool = try WorkerPool(threads: 2)
  }

  private static func value(_ index: Int) -> Float { Float(index * 37 % 101 - 50) / 50 }

  func bound(_ instructionSet: String, _ tuner: ProductTuner?) throws -> BoundProgram {
    var kernels = try Kernels(named: instructionSet)
    kernels.tuner = tuner
    let bound = try BoundProgram(program, pool: pool, kernels: kernels, weights: NoWeights())
    bound.initialise(seed: 0)
    return bound
  }

  func result(_ bound: BoundProgram) -> [Float] {
    bound.run(.body)
    return Array(bound.elements(of: 2, as: Float.self))
  }

  /// y[40, 72] = x[40, 50]·W[72, 50]ᵀ.
  static func product() throws -> Workbench {
    try Workbench(Product(.forward, operands: .f32, weightType: .f32, m: 40, n: 72, k: 50))
  }

  /// dW[72, 50] = dy[40, 72]ᵀ·x[40, 50].
  static func gradient() throws -> Workbench {
    try Workbench(Product(.weightGradient, operands: .f32, m: 40, n: 72, k: 50))
  }
}

@Suite struct ProductTunerTests {
  @Test func everyWayGivesTheSameProduct() throws {
    for bench in [try Workbench.product(), try Workbench.gradient()] {
      let call = bench.program.calls[0]
      let plain = try bench.bound("reference", nil)
      let expected = bench.result(plain)
      #expect(call.variants.count == 4 && Set(call.variants).count == 4)
      for name in Kernels.supported.dropFirst() {
        for variant in call.variants {
          let product = try #require(call.product)
          let decision = ProductDecision(product: product, variant: variant, measured: [])
          let tuner = ProductTuner(.measured, known: [decision])
          let bound = try bench.bound(name, tuner)
          #expect(bound.program.calls[0].variant == variant)
          #expect(bound.program.calls[0].product == product)
          let error = zip(bench.result(bound), expected).map { abs($0 - $1) }.max() ?? .infinity
          #expect(error < 1e-4, "\(name), \(call.kernel), \(variant)")
        }
      }
    }
  }

  /// A cache may have a row's result from another place in the batch.
  @Test(arguments: Kernels.supported)
  func sumsOfTilesDoNotDependOnTheRow(_ instructionSet: String) throws {
    let bench = try Workbench.product()
    let (rows, inputs, outputs) = (40, 50, 72)
    let bound = try bench.bound(instructionSet, ProductTuner(.fixed(.tiles)))
    let straight = bench.result(bound)
    let x = bound.elements(of: 0, as: Float.self)
    let before = Array(x)
    for row in 0..<rows {
      for column in 0..<inputs {
        x[(rows - 1 - row) * inputs + column] = before[row * inputs + column]
      }
    }
    let turned = bench.result(bound)
    for row in 0..<rows {
      let place = rows - 1 - row
      #expect(
        Array(turned[place * outputs..<(place + 1) * outputs])
          == Array(straight[row * outputs..<(row + 1) * outputs]), "row \(row)")
    }
  }

  /// What is timed is the fastest of its variants, or the usual one, and is not timed again.
  @Test func theFastestWayIsChosenAndRemembered() throws {
    let bench = try Workbench.product()
    let told = Mutex<[[ProductDecision]]>([])
    let tuner = ProductTuner(.measured, remember: { new in told.withLock { $0.append(new) } })
    let first = try bench.bound(Kernels.supported.last ?? "portable", tuner)
    let decision = try #require(tuner.choices(for: [bench.program]).first)
    #expect(told.withLock { $0 } == [[decision]])
    #expect(decision.measured.map(\.variant) == bench.program.calls[0].variants)
    #expect(decision.measured.allSatisfy { $0.seconds > 0 && $0.seconds < 1 })
    let best = try #require(decision.measured.min { $0.seconds < $1.seconds })
    let usual = decision.measured[0]
    let isWorthwhile = best.seconds <= Trial.worthwhileShare * usual.seconds
    #expect(decision.variant == (isWorthwhile ? best.variant : usual.variant))
    #expect(first.program.calls[0].variant == decision.variant)
    #expect(tuner.decisions(in: [first.program]) == [decision])
    _ = try bench.bound(Kernels.supported.last ?? "portable", tuner)
    #expect(told.withLock { $0.count } == 1)
  }

  /// The best time of each variant counts, and the usual variant stays unless another one is clearly faster.
  @Test func momentsDoNotDecide() throws {
    for (share, expected) in [(0.96, 0), (0.9, 1)] {
      let calls = try bytes(2)
      let variants = calls[0].variants
      #expect(variants.count == 2)
      var times: [KernelCall: Int] = [:]
      let tuner = ProductTuner(.measured)
      try tuner.measure(calls) { candidate in
        times[candidate, default: 0] += 1
        // Some of the passes are disturbed.
        let slowness = [2, 3].contains(times[candidate] ?? 0) ? 1.4 : 1
        return 1e-3 * slowness * (candidate.variant == variants[0] ? 1 : share)
      }
      #expect(times.count == 4 && times.values.allSatisfy { $0 == 6 })
      #expect(
        calls.map { tuner.chosen($0).variant } == Array(repeating: variants[expected], count: 2))
    }
  }

  /// A variant is never timed right after another one of the same product, which has warmed the cache.
  @Test func noWayFindsTheCacheWarm() throws {
    var last: Product?
    let calls = try bytes(2)
    try ProductTuner(.measured).measure(calls) { candidate in
      #expect(candidate.product != last)
      last = candidate.product
      return 1e-3
    }
  }

  @Test func hopelessWaysAreTimedTwice() throws {
    let calls = try bytes(1)
    var times: [ProductVariant: Int] = [:]
    try ProductTuner(.measured).measure(calls) { candidate in
      guard let variant = candidate.variant else { return 0 }
      times[variant, default: 0] += 1
      return variant == calls[0].variants[1] ? 2e-3 : 1e-3
    }
    #expect(calls[0].variants.map { times[$0] } == [6, 2])
  }

  /// Products of bytes, which have two variants, of different sizes.
  private func bytes(_ count: Int) throws -> [KernelCall] {
    try (0..<count).map { index in
      let product = Product(
        .forward, operands: .int8, weightType: .int8, m: 40, n: 72, k: 50 + index)
      var call = try Workbench.product().program.calls[0]
      call.work = .matrixProduct(MatrixProduct(product, split: .columns))
      return call
    }
  }

  /// Timing leaves an arena as it was, and does not touch one that is in use.
  @Test func timingLeavesNoTrace() throws {
    let bench = try Workbench.product()
    var kernels = try Kernels(named: "portable")
    let arena = try Arena(
      byteCount: BoundProgram.arenaBytes(for: [bench.program], threads: bench.pool.threads))
    kernels.tuner = ProductTuner(.measured)
    func bound() throws -> BoundProgram {
      try BoundProgram(
        bench.program, in: arena, pool: bench.pool, kernels: kernels, weights: NoWeights())
    }
    let first = try bound()
    let bytes = UnsafeRawBufferPointer(start: arena.base, count: arena.byteCount)
    #expect(bytes.allSatisfy { $0 == 0 })
    first.initialise(seed: 0)
    let before = Array(bytes)
    kernels.tuner = ProductTuner(.measured)
    let second = try bound()
    #expect(Array(bytes) == before)
    #expect(second.program == bench.program)
  }

  @Test func aBackEndCanBeFixed() throws {
    let bench = try Workbench.product()
    for backend in ProductBackend.allCases {
      let bound = try bench.bound("portable", ProductTuner(.fixed(backend)))
      #expect(bound.program.calls[0].variant == ProductVariant(backend, .columns))
    }
  }

  @Test func smallProductsAndFewRowsStayAsTheyAre() throws {
    let tuner = ProductTuner(.measured)
    var small = try Workbench.product().program.calls[0]
    small.flops = ProductTuner.leastFlops - 1
    #expect(tuner.unknown([small]).isEmpty)
    #expect(tuner.chosen(small) == small)
    let few = MatrixProduct(
      Product(.forward, operands: .f32, weightType: .f32, m: 4, n: 72, k: 50), split: .columns)
    #expect(few.variants == [ProductVariant(.openBLAS, .columns)])
    let other = KernelCall(kernel: "rmsnorm", buffers: [], sizes: [4], items: 3)
    #expect(other.product == nil && other.variants.isEmpty && other.variant == nil)
  }

  /// A variant that a product does not have, from a file that somebody changed, is as good as none.
  @Test func impossibleChoicesAreMadeAnew() throws {
    let call = try bytes(1)[0]
    let product = try #require(call.product)
    let variant = ProductVariant(.openBLAS, .rows)
    let tuner = ProductTuner(
      .measured, known: [ProductDecision(product: product, variant: variant, measured: [])])
    #expect(tuner.chosen(call) == call)
    #expect(tuner.unknown([call, call]) == [call])
  }

  /// What the tiles of sft_kernels.def need is there, whichever variant is chosen.
  @Test func everyWayHasItsScratch() throws {
    func up(_ count: Int, _ unit: Int) -> Int { (count + unit - 1) / unit * unit }
    var runner = StepRunner()
    runner.windows = 3
    for method in StepTests.methods {
      for call in try runner.compile(method).calls {
        guard let product = call.product else { continue }
        let (m, n, k) = (product.m, product.n, product.k)
        let (rows, columns, summed) =
          switch product.kind {
          case .forward: (m, n, k)
          case .inputGradient: (m, k, n)
          case .weightGradient: (n, k, m)
          }
        let p = up(min(summed, 2048), 16)
        let needed = max(128 * p, min(393_216, 4 * p * up(columns, 32))) + 256 * p
        for variant in call.variants {
          let other = call.computed(variant)
          #expect(other.scratchBytes >= needed, "\(product) \(variant)")
          #expect(other.items == (variant.split == .rows ? rows : columns))
        }
      }
    }
  }

  @Test func whatACallMultiplies() throws {
    let expected: [(String, MatmulOperand)] = [
      ("linear_bf16", .f32), ("linear_input_gradient_bf16", .f32), ("tiled_linear_bf16", .f32),
      ("linear_weight_gradient", .f32), ("bf16_linear_f32", .bf16),
      ("bf16_linear_weight_gradient", .bf16), ("quantised_linear_bf16", .int8),
      ("quantised_linear_input_gradient_int8", .int8),
    ]
    for (name, operands) in expected {
      let kernel = try #require(ProductKernel(named: name))
      let product = Product(
        kernel.kind, operands: kernel.operands, weightType: kernel.weightType, m: 8, n: 8, k: 8)
      let call = KernelCall(
        MatrixProduct(product, split: .rows, backend: kernel.backend), buffers: [])
      #expect(call.kernel == name && call.multiplies == operands, "\(name)")
    }
  }

  /// Attention multiplies what it reads.
  @Test func whatOtherKernelsMultiply() {
    let layout = AttentionLayout(tokens: 4, queryHeads: 1, keyValueHeads: 1, headWidth: 8)
    for type in [ElementType.f32, .bf16] {
      var graph = Graph()
      let x = graph.addSource(.input("x"), TensorType([4, 8], type))
      let starts = graph.addSource(.input("starts"), TensorType([4], .int32))
      graph.add(Attention(layout: layout), [x, x, x, starts])
      let views = (0..<6).map { BufferView(buffer: $0) }
      let node = graph.nodes[0]
      var lowering = Lowering(
        node: node, operandTypes: node.operands.map { graph.type(of: $0) },
        resultTypes: node.results.map { graph.type(of: $0) }, operands: Array(views[..<4]),
        scales: [nil, nil, nil, nil], results: Array(views[4...]), temporaries: [])
      Attention(layout: layout).lower(into: &lowering)
      #expect(lowering.calls.map(\.multiplies) == [type == .bf16 ? .bf16 : .f32])
    }
  }

  @Test func waysAreReadAsTheyAreWritten() {
    for backend in ProductBackend.allCases {
      for split in ProductSplit.allCases {
        let variant = ProductVariant(backend, split)
        #expect(ProductVariant(variant.description) == variant)
      }
    }
    for text in ["", "tiles", "tiles by", "tiles by tiles", "tiles  by rows of", "MKL by rows"] {
      #expect(ProductVariant(text) == nil, "\(text)")
    }
  }
}
