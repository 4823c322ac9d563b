import Graphs
import Operations
import Programs
import Tensors

/// The graph after one stage of the compiler, as text.
public struct CompilationStage: Sendable {
  public var name: String
  public var text: String
}

/// A program with what is known about it before it runs.
public struct CompiledProgram: Sendable {
  public var program: Program
  public var memory: MemoryPlan
  /// Values that products give again in the backward pass rather than that they are kept.
  public var recomputed: Int
  /// Frozen weights that nothing but lookups of rows reads.
  public var lookedUpWeights: [Buffer]
  /// Printed stages, if asked for.
  public var stages: [CompilationStage]
}

/// Compiles an adapted forward pass into a whole training step.
///
/// Sparse back-propagation, LoRA and the memory plan are not features of a training loop: they
/// are what this compiler was asked for (compare PockEngine, Zhu et al. 2023).
public struct TrainingCompiler: Sendable {
  /// How gradients become updates.
  public var policy: UpdatePolicy
  /// What products multiply.
  public var precision: Precision
  /// Keep the text of every stage.
  public var keepsStages: Bool
  /// Compute cheap values again rather than keep them.
  public var rematerialises: Bool
  /// How many of the values that products can give again are not kept, at most; the cheapest for
  /// their bytes come first.
  public var recomputed = 0
  /// Give memory that nothing needs any more to other values; off only to see what that saves.
  public var reusesMemory = true
  /// Bytes of a gradient that exist at a time where an update can follow it at once; larger ones go
  /// strip by strip. A strip is to stay in the cores' common cache.
  public var stripBytes = 4 << 20

  public init(
    policy: UpdatePolicy, precision: Precision = .f32, keepsStages: Bool = false,
    rematerialises: Bool = true
  ) {
    self.policy = policy
    self.precision = precision
    self.keepsStages = keepsStages
    self.rematerialises = rematerialises
  }

  /// - Parameters:
  ///   - traced: a forward pass with trained parameters marked and an output at the port `loss`.
  ///   - layout: places of persistent buffers, shared by the programs of one arena.
  /// - Throws: `GraphError` naming the node if a stage breaks the graph.
  public func compile(
    _ traced: Graph, layout: inout PersistentLayout
  ) throws(GraphError) -> CompiledProgram {
    var pipeline = try transform(traced)
    pipeline.addBuffers(layout: &layout)
    return try pipeline.lower(layout: layout)
  }

  /// Compiles a step, and forward passes that run in the same arena.
  ///
  /// The persistent buffers of all of them come first, so that no program's passing values lie
  /// where another one keeps something.
  /// - Parameters:
  ///   - traced: as for `compile(_:layout:)`.
  ///   - passes: forward passes that nothing is updated by.
  /// - Throws: `GraphError` naming the node if a stage breaks a graph.
  public func compile(
    _ traced: Graph, with passes: [Graph]
  ) throws(GraphError) -> (training: CompiledProgram, passes: [CompiledProgram]) {
    var pipelines = [try transform(traced)]
    var inference = InferenceCompiler(precision: precision)
    inference.parameterType = policy.rule.parameterType
    for pass in passes { pipelines.append(try inference.transform(pass)) }
    var layout = PersistentLayout()
    for index in pipelines.indices { pipelines[index].addBuffers(layout: &layout) }
    var compiled: [CompiledProgram] = []
    for index in pipelines.indices { compiled.append(try pipelines[index].lower(layout: layout)) }
    return (compiled.removeFirst(), compiled)
  }

  /// The whole training step as a graph, as it is before it is lowered.
  package func graph(of traced: Graph) throws(GraphError) -> Graph { try transform(traced).graph }

  private func transform(_ traced: Graph) throws(GraphError) -> Pipeline {
    var pipeline = Pipeline(traced, keepsStages: keepsStages)
    pipeline.reusesMemory = reusesMemory
    try pipeline.store(parametersAs: policy.rule.parameterType)
    guard let loss = traced.output(.loss) else {
      throw .invalid(node: "output loss", problem: "is missing")
    }
    try pipeline.run("differentiate") { graph throws(GraphError) in
      let scale = graph.addInput(.lossScale, [1])
      let gradients = try graph.differentiate(loss, cotangent: scale)
      graph.appendUpdates(gradients, policy: policy)
    }
    try pipeline.optimise(
      precision: precision, rematerialises: rematerialises, recomputed: recomputed)
    try pipeline.run("stream") { graph throws(GraphError) in
      graph.streamUpdates(stripBytes: stripBytes)
    }
    return pipeline
  }
}

/// Compiles a forward pass that nothing is updated by: validation and generation.
public struct InferenceCompiler: Sendable {
  /// What products multiply.
  public var precision: Precision
  /// How the step that shares the arena keeps trained matrices.
  var parameterType = ElementType.f32

  public init(precision: Precision = .f32) { self.precision = precision }

  /// - Throws: `GraphError` naming the node if a stage breaks the graph.
  public func compile(
    _ traced: Graph, layout: inout PersistentLayout
  ) throws(GraphError) -> CompiledProgram {
    var pipeline = try transform(traced)
    pipeline.addBuffers(layout: &layout)
    return try pipeline.lower(layout: layout)
  }

  fileprivate func transform(_ traced: Graph) throws(GraphError) -> Pipeline {
    var pipeline = Pipeline(traced, keepsStages: false)
    try pipeline.store(parametersAs: parameterType)
    try pipeline.run("prune") { graph throws(GraphError) in graph.prune() }
    try pipeline.run("fuse") { graph throws(GraphError) in graph.fuse() }
    try pipeline.apply(precision)
    return pipeline
  }
}

/// Runs stages one after the other, verifies the graph after each, and keeps their texts.
struct Pipeline {
  private(set) var graph: Graph
  private let keepsStages: Bool
  private var stages: [CompilationStage] = []
  private var lowerer: Lowerer?
  private var recomputed = 0
  var reusesMemory = true

  init(_ traced: Graph, keepsStages: Bool) {
    graph = traced
    self.keepsStages = keepsStages
    if keepsStages { stages.append(CompilationStage(name: "trace", text: traced.description)) }
  }

  mutating func run(
    _ name: String, _ stage: (inout Graph) throws(GraphError) -> Void
  ) throws(GraphError) {
    try stage(&graph)
    try graph.verify()
    if keepsStages { stages.append(CompilationStage(name: name, text: graph.description)) }
  }

  /// The stages between a differentiated graph and a program.
  mutating func optimise(
    precision: Precision, rematerialises: Bool = true, recomputed: Int = 0
  ) throws(GraphError) {
    try run("prune") { graph throws(GraphError) in graph.prune() }
    try run("fuse") { graph throws(GraphError) in graph.fuse() }
    try apply(precision)
    if rematerialises {
      let others = recomputed > 0 ? graph.recomputations().prefix(recomputed) : []
      self.recomputed = others.count
      try run("rematerialise") { graph throws(GraphError) in
        graph.rematerialise(with: others.reduce(into: []) { $0.formUnion($1.nodes) })
      }
    }
    if precision != .f32 {
      try run("keep bf16") { graph throws(GraphError) in graph.keepBF16() }
    }
    try run("schedule") { graph throws(GraphError) in graph.scheduleUpdates() }
  }

  mutating func store(parametersAs type: ElementType) throws(GraphError) {
    guard type != .f32 else { return }
    try run("store") { graph throws(GraphError) in graph.keepParameters(as: type) }
  }

  mutating func apply(_ precision: Precision) throws(GraphError) {
    guard precision != .f32 else { return }
    try run("precision") { graph throws(GraphError) in graph.apply(precision) }
  }

  mutating func addBuffers(layout: inout PersistentLayout) {
    var lowerer = Lowerer(graph)
    lowerer.addBuffers(layout: &layout)
    self.lowerer = lowerer
  }

  mutating func lower(layout: PersistentLayout) throws(GraphError) -> CompiledProgram {
    guard var lowerer else { preconditionFailure("lowering without buffers") }
    let (program, memory) = try lowerer.lower(layout: layout, reusesMemory: reusesMemory)
    if keepsStages { stages.append(CompilationStage(name: "lower", text: program.description)) }
    return CompiledProgram(
      program: program, memory: memory, recomputed: recomputed,
      lookedUpWeights: lowerer.lookedUpWeights, stages: stages)
  }
}
