import Adaptations
import Compilation
import Execution
import Graphs
import Models
import Operations
import Programs
import Tensors

/// Descent without momentum; after a step its state is the gradient itself.
struct GradientRule: UpdateRule {
  func states(of type: TensorType) -> [(name: String, type: TensorType)] {
    [("momentum", type)]
  }
  func update(of type: TensorType) -> any Operation { SGDUpdate(momentum: 0, weightDecay: 0) }
}

/// Descent of matrices in int8.
struct IntegerRule: UpdateRule {
  var momentum: Float = 0
  var step = IntegerStep()

  var parameterType: ElementType { .int8 }
  func states(of type: TensorType) -> [(name: String, type: TensorType)] {
    SGDUpdate.stateType(of: type, momentum: Double(momentum)).map { [("momentum", $0)] } ?? []
  }
  func update(of type: TensorType) -> any Operation {
    SGDUpdate(
      momentum: momentum, weightDecay: 0.01, integerStep: type.elementType == .int8 ? step : nil)
  }
}

/// Token ids, targets and document starts of some windows.
struct TestBatch {
  var tokens: [Int32]
  var targets: [Int32]
  var starts: [Int32]

  init(windows: Int, tokens count: Int, vocabulary: Int, seed: UInt64) {
    var random = RandomSource(seed: seed)
    tokens = (0..<windows * count).map { _ in Int32(random.integer(below: vocabulary)) }
    targets = tokens.map { _ in Int32(random.integer(below: vocabulary)) }
    starts = tokens.indices.map { $0 % count >= count / 2 ? Int32(count / 2) : 0 }
    targets[1] = -1
  }

  /// Windows of this batch.
  func windows(_ range: Range<Int>, tokens count: Int) -> TestBatch {
    var part = self
    let rows = range.lowerBound * count..<range.upperBound * count
    (part.tokens, part.targets) = (Array(tokens[rows]), Array(targets[rows]))
    part.starts = Array(starts[rows])
    return part
  }
}

/// A checkpoint's weights in memory that the program must not write.
final class TestWeights: WeightSource {
  let values: [String: [Float]]
  private var blocks: [String: UnsafeMutableRawPointer] = [:]
  private var columns: [String: Int] = [:]

  init(_ configuration: ModelConfiguration) {
    var random = RandomSource(seed: 42)
    var values: [String: [Float]] = [:]
    for parameter in configuration.parameters {
      let numbers = (0..<parameter.shape.count).map { _ in
        Float(parameter.isMatrix ? 0.3 * random.normal() : 1 + 0.1 * random.normal())
      }
      let block = UnsafeMutableRawPointer.allocate(byteCount: 4 * numbers.count, alignment: 64)
      block.copyMemory(from: numbers, byteCount: 4 * numbers.count)
      values[parameter.name] = numbers
      blocks[parameter.name] = block
      columns[parameter.name] = parameter.isMatrix ? parameter.shape.columns : 1
    }
    self.values = values
  }

  deinit { for block in blocks.values { block.deallocate() } }

  func address(of buffer: Buffer) -> UnsafeRawPointer? {
    guard case .checkpoint(let name, let rows) = buffer.contents, let block = blocks[name] else {
      return nil
    }
    return UnsafeRawPointer(block) + 4 * rows.lowerBound * (columns[name] ?? 1)
  }

  func readRows(
    of name: String, _ rows: Range<Int>, into target: UnsafeMutablePointer<Float>
  ) {
    let width = columns[name] ?? 1
    let numbers = values[name] ?? []
    for (offset, index) in (rows.lowerBound * width..<rows.upperBound * width).enumerated() {
      target[offset] = numbers[index]
    }
  }

  /// Whether the memory still holds what it started with.
  var areUntouched: Bool {
    values.allSatisfy { name, numbers in
      let memory = blocks[name]?.assumingMemoryBound(to: UInt32.self)
      return numbers.indices.allSatisfy { memory?[$0] == numbers[$0].bitPattern }
    }
  }
}

/// What a step leaves behind.
struct StepResult: Equatable {
  /// Losses of the last micro-batch's tokens.
  var losses: [UInt32]
  /// Persistent buffers by name, as bits.
  var state: [String: [UInt32]]

  func floats(_ name: String) -> [Float]? { state[name]?.map(Float.init(bitPattern:)) }

  /// Gradients by the names of trained parameters.
  var gradients: [String: [Float]] {
    var result: [String: [Float]] = [:]
    for name in state.keys where name.hasSuffix(".momentum") {
      result[String(name.dropLast(".momentum".count))] = floats(name)
    }
    return result
  }
}

/// Compiles and runs steps of one small Llama on real kernels.
struct StepRunner {
  var configuration = ModelConfiguration(
    width: 32, hiddenWidth: 48, layers: 2, queryHeads: 4, keyValueHeads: 2, headWidth: 8,
    vocabularySize: 40, contextLength: 64, tiedHead: false)
  var instructionSet = Kernels.supported[Kernels.supported.count - 1]
  var threads = 2
  var windows = 2
  var tokens = 6
  var accumulation = 1
  var clipNorm: Double?
  var rematerialises = true
  var learningRate: Float = 0.1
  var stripBytes: Int?
  var recomputed = 0
  var tuner: ProductTuner?
  var rule: any UpdateRule = GradientRule()

  func compile(_ method: some Adaptation) throws -> Program {
    var graph = Llama(configuration).traceLoss(batch: windows, tokens: tokens) { _ in .f32 }
    try method.adapt(&graph)
    var layout = PersistentLayout()
    let policy = UpdatePolicy(
      rule: rule, clipNorm: clipNorm, accumulation: accumulation)
    var compiler = TrainingCompiler(policy: policy, rematerialises: rematerialises)
    compiler.recomputed = recomputed
    if let stripBytes { compiler.stripBytes = stripBytes }
    return try compiler.compile(graph, layout: &layout).program
  }

  /// Runs one step of `accumulation` micro-batches on `batch`, several times over if asked.
  func run(
    _ program: Program, weights: TestWeights, batch: TestBatch, steps: Int = 1
  ) throws -> StepResult {
    var kernels = try Kernels(named: instructionSet)
    kernels.tuner = tuner
    let bound = try BoundProgram(
      program, pool: WorkerPool(threads: threads), kernels: kernels, weights: weights)
    bound.initialise(seed: 1)
    poison(bound)
    func write<Element>(_ port: Port<Element>, _ values: [Element]) throws {
      _ = try bound.memory(of: port).update(from: values)
    }
    try write(.lossScale, [1 / Float(windows * tokens * accumulation)])
    try write(.hyper, [learningRate, 1, 1, 1, 0, 0, 0, 0])
    for _ in 0..<steps {
      bound.run(.begin)
      for index in 0..<accumulation {
        let part = batch.windows(index * windows..<(index + 1) * windows, tokens: tokens)
        try write(.tokens, part.tokens)
        try write(.targets, part.targets)
        try write(.documentStarts, part.starts)
        bound.run(.body)
      }
      bound.run(.finish)
    }
    return result(of: bound)
  }

  /// Memory that is read before it is written shows as NaN.
  private func poison(_ bound: BoundProgram) {
    for (index, buffer) in bound.program.buffers.enumerated() {
      guard case .arena = buffer.location, !buffer.isPersistent else { continue }
      bound.elements(of: index, as: Float.self).update(repeating: .nan)
    }
  }

  private func result(of bound: BoundProgram) -> StepResult {
    var result = StepResult(losses: [], state: [:])
    for (index, buffer) in bound.program.buffers.enumerated() {
      let bits = Array(bound.elements(of: index, as: UInt32.self))
      if buffer.name == "loss" { result.losses = bits }
      if buffer.isPersistent { result.state[buffer.name] = bits }
    }
    return result
  }
}

extension Program {
  /// The same program with memory of its own for every buffer.
  var withoutReuse: Program {
    var copy = self
    var next = persistentBytes
    for index in copy.buffers.indices where !copy.buffers[index].isPersistent {
      guard case .arena = copy.buffers[index].location else { continue }
      copy.buffers[index].location = .arena(offset: next)
      next += aligned(copy.buffers[index].byteCount)
    }
    copy.arenaBytes = next
    return copy
  }
}
