import Adaptations
import Compilation
import Execution
import Graphs
import Models
import Operations
import Programs
import Tensors

/// The shape of a step: windows in a micro-batch, tokens in a window, micro-batches in a step.
public struct BatchShape: Hashable, Sendable {
  public var windows: Int
  public var tokens: Int
  public var accumulation: Int

  public init(windows: Int, tokens: Int, accumulation: Int = 1) {
    self.windows = windows
    self.tokens = tokens
    self.accumulation = accumulation
  }

  /// Windows of an optimizer step.
  public var windowsPerStep: Int { windows * accumulation }
  /// Tokens of an optimizer step.
  public var tokensPerStep: Int { windowsPerStep * tokens }
}

/// The training step and the validation pass of one method, compiled for one arena.
///
/// Below the deepest trainable tensor, the forward pass gives the same values for a window in every
/// epoch. Where whole blocks are frozen that way, they are compiled as a program of their own, and
/// `training` and `validation` start at the residual stream above them, so that a `Session` may
/// read it from a `PrefixCache`. Where matmuls are not f32, the residual stream is rounded to bf16
/// at that point, whether it is cached or not.
public struct CompiledStep: Sendable {
  /// The embedding and the lowest `frozenBlocks` blocks; nil where none is split off.
  public let prefix: CompiledProgram?
  public let training: CompiledProgram
  public let validation: CompiledProgram
  /// The lowest block in which a parameter trains; nil where none does.
  public let lowestTrainedBlock: Int?
  /// How many of the lowest blocks `prefix` computes: nothing trains in or below them.
  public let frozenBlocks: Int
  /// Blocks below the last frozen one whose outputs the step reads too, from the lowest up: those that a
  /// network beside the model taps.
  public let lowerStreams: [Int]
  /// The embedding, if a session is to hold only the rows of a micro-batch's tokens in memory.
  let lookedUpTable: LookedUpTable?
  /// D, the width of the residual stream.
  public let width: Int
  /// The element type of the residual stream where the step is split.
  public var prefixType: ElementType { precision.base == .f32 ? .f32 : .bf16 }
  public let shape: BatchShape
  public let precision: ProductPrecision
  public let trainableParameters: Int
  public let totalParameters: Int
  /// The number of activations recomputed in the backward pass, by matmuls, instead of stored.
  public var recomputed: Int { training.recomputed }
  /// The method's name.
  public let method: String
  /// Which trained parameters go into a delta, and how.
  public let savePlan: SavePlan

  /// Compiles the step of an adaptation.
  ///
  /// - Parameters:
  ///   - precision: the type of the matmuls' operands.
  ///   - elementType: the type in which the checkpoint stores the parameter of a given name.
  ///   - keepsStages: keep the compiler's stages as text.
  ///   - splitsPrefix: compile the frozen blocks as a program of their own; in f32 the results are
  ///     the same without.
  ///   - rematerialises: recompute cheap activations instead of storing them.
  ///   - recomputed: the largest number of activations that matmuls recompute instead of being
  ///     stored.
  ///   - gates, reusesMemory: see `TrainingCompiler`.
  /// - Throws: `TrainingError.adaptation` if the method does not fit the model, `.batchTooLarge`,
  ///   `.stepTooLarge`.
  public init(
    _ configuration: ModelConfiguration, adaptation: some Adaptation, optimizer: Optimizer,
    clipNorm: Double?, shape: BatchShape, precision: ProductPrecision = .f32,
    elementType: @escaping (String) -> ElementType = { _ in .f32 }, keepsStages: Bool = false,
    splitsPrefix: Bool = true, rematerialises: Bool = true, recomputed: Int = 0,
    gates: GateStorage = .computed, reusesMemory: Bool = true
  ) throws(TrainingError) {
    let (tokens, isTooMany) = shape.windows.multipliedReportingOverflow(by: shape.tokens)
    guard !isTooMany, tokens <= Self.mostTokens else {
      throw .batchTooLarge(windows: shape.windows, tokens: shape.tokens)
    }
    let windows = shape.windows.multipliedReportingOverflow(by: shape.accumulation)
    guard !windows.overflow, windows.partialValue <= Self.mostWindows else {
      throw .stepTooLarge(windows: shape.windows, accumulation: shape.accumulation)
    }
    let model = configuration.model
    func loss(from block: Int, _ streams: [Int] = []) -> Graph {
      model.traceLoss(
        batch: shape.windows, tokens: shape.tokens, from: block, streams: streams,
        elementType: elementType)
    }
    let traced = loss(from: 0)
    let (whole, plan) = try Self.adapted(traced, adaptation)
    let (cut, streams) =
      splitsPrefix
      ? whole.frozenBlocks(of: configuration.layers, tracedNodes: Set(traced.nodes.map(\.id)))
      : (0, [])
    let body = cut > 0 ? try Self.adapted(loss(from: cut, streams), adaptation).graph : whole
    func below() -> Graph {
      model.tracePrefix(
        batch: shape.windows, tokens: shape.tokens, through: cut, streams: streams,
        elementType: elementType)
    }
    let passes = cut > 0 ? [body, below()] : [body]
    var compiler = TrainingCompiler(
      policy: UpdatePolicy(
        rule: optimizer.rule, clipNorm: clipNorm, accumulation: shape.accumulation),
      precision: precision, keepsStages: keepsStages, rematerialises: rematerialises)
    (compiler.recomputed, compiler.gates) = (recomputed, gates)
    compiler.reusesMemory = reusesMemory
    let compiled = try rethrow(TrainingError.graph) { () throws(GraphError) in
      try compiler.compile(body, with: passes)
    }
    training = compiled.training
    validation = compiled.passes[0]
    prefix = cut > 0 ? compiled.passes[1] : nil
    lookedUpTable = Self.lookedUpTable(
      of: compiled.training, compiled.passes, tokens: shape.windows * shape.tokens)
    (frozenBlocks, lowerStreams, width) = (cut, streams, configuration.width)
    (self.shape, self.precision) = (shape, precision)
    lowestTrainedBlock = whole.parameters.filter(\.parameter.isTrained)
      .compactMap { ParameterPath($0.parameter.path)?.layer }.min()
    trainableParameters = whole.trainedParameterCount
    totalParameters = Self.parameterCount(of: whole, configuration)
    method = adaptation.name
    savePlan = plan
  }

  /// The most tokens of a micro-batch: more than any machine has memory for, and few enough to plan.
  static let mostTokens = 1 << 23

  /// The most windows of a step, which are listed before it: 32 MB of numbers.
  static let mostWindows = 1 << 22

  /// A traced loss with what an adaptation inserts and trains.
  private static func adapted(
    _ traced: Graph, _ adaptation: some Adaptation
  ) throws(TrainingError) -> (graph: Graph, plan: SavePlan) {
    var graph = traced
    let plan = try rethrow(TrainingError.adaptation) { () throws(AdaptationError) in
      try adaptation.adapt(&graph)
    }
    return (graph, plan)
  }

  /// The embedding, if the lowest program only looks it up and no other program reads it.
  ///
  /// - Parameter passes: validation and, where one is split off, the prefix.
  private static func lookedUpTable(
    of training: CompiledProgram, _ passes: [CompiledProgram], tokens: Int
  ) -> LookedUpTable? {
    let lowest = passes.count > 1 ? passes[1] : training
    return LookedUpTable(lowest.lookedUpWeights, beside: [training] + passes, tokens: tokens)
  }

  /// The model's parameters; a head that training unties counts beside the embedding.
  private static func parameterCount(of graph: Graph, _ configuration: ModelConfiguration) -> Int {
    let hasHead = graph.parameters.contains { $0.parameter.path == ParameterRole.head.rawValue }
    return (hasHead ? configuration.untied : configuration).parameterCount
  }

  /// The programs of a session: the training step, the validation pass and, if there is one, the
  /// prefix of both.
  public var programs: [Program] {
    [training.program, validation.program] + (prefix.map { [$0.program] } ?? [])
  }

  /// The same programs as a session binds them, ready to be saved and loaded elsewhere.
  ///
  /// The frozen blocks' outputs for a window must not depend on its row of the batch, since a cache
  /// may have stored them from another row: in f32 the tile kernels guarantee that, a library's
  /// sums may not.
  public var bundle: ProgramBundle {
    let below = prefix.map {
      ProgramBundle.Entry(.prefix, $0.program, backend: precision.base == .f32 ? .tiles : nil)
    }
    return ProgramBundle(
      [ProgramBundle.Entry(.training, training.program)] + (below.map { [$0] } ?? [])
        + [ProgramBundle.Entry(.validation, validation.program)])
  }

  /// Bytes of the arena that all programs share, the threads' scratch memory included.
  public func arenaBytes(threads: Int) -> Int {
    BoundProgram.arenaBytes(for: programs, threads: threads)
  }

  /// Bytes of the frozen weights that are resident: all of each mapped weight, but of an embedding
  /// that is only looked up the rows of a micro-batch.
  public var mappedWeightBytes: Int {
    let mapped = programs.flatMap(\.buffers).filter { $0.name != lookedUpTable?.buffer.name }
    return Compilation.mappedWeightBytes(mapped) + (lookedUpTable?.residentBytes ?? 0)
  }

  /// Floating-point operations of scoring one micro-batch, those of the prefix included.
  public var validationFlops: Int {
    validation.program.bodyFlops + (prefix?.program.bodyFlops ?? 0)
  }

  /// Floating-point operations of training per token, those of the prefix included.
  public var flopsPerToken: Double {
    let flops = training.program.bodyFlops + (prefix?.program.bodyFlops ?? 0)
    return Double(flops) / Double(shape.windows * shape.tokens)
  }
}

extension Graph {
  /// How many of a model's lowest blocks have outputs that depend on no trained parameter, 0 if nothing
  /// trains at all; and those below the last of them whose outputs a method reads.
  ///
  /// - Parameter tracedNodes: ids of the model's own nodes, which the others are a method's.
  fileprivate func frozenBlocks(
    of layers: Int, tracedNodes: Set<Int>
  ) -> (count: Int, streams: [Int]) {
    let trained = Set(parameters.filter(\.parameter.isTrained).map(\.value))
    guard !trained.isEmpty else { return (0, []) }
    let reached = values(reachedFrom: trained)
    let blocks = (0..<layers).map { module(ParameterPath.block($0)) }
    let count = blocks.firstIndex { $0.map { reached.contains($0.output) } ?? true } ?? layers
    let read = Set(nodes.filter { !tracedNodes.contains($0.id) }.flatMap(\.operands))
    let streams = (0..<max(0, count - 1)).filter { layer in
      blocks[layer].map { read.contains($0.output) } ?? false
    }
    return (count, streams)
  }
}
