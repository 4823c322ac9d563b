import Graphs
import Operations
import Programs
import Tensors

/// The graph after one stage of the compiler, as text.
public struct CompilationStage: Sendable {
  public var name: String
  public var text: String
}

/// How what the gated activations of MLPs read is stored for the backward pass.
public enum GateStorage: String, Hashable, Sendable, CaseIterable {
  /// In the type in which it is computed.
  case computed
  /// As int8 with a scale per row.
  case int8
}

/// A program with what the compiler knows about it.
public struct CompiledProgram: Sendable {
  public var program: Program
  public var memory: MemoryPlan
  /// Number of activations recomputed with matmuls in the backward pass instead of stored.
  public var recomputed: Int
  /// Activations that the forward pass keeps for the backward pass.
  public var kept: ActivationAccount
  /// Frozen weights that are read only by embedding lookups.
  public var lookedUpWeights: [Buffer]
  /// The graph's text after each stage, if asked for.
  public var stages: [CompilationStage]
}

/// Compiles an adapted forward pass into a whole training step.
///
/// Sparse back-propagation, LoRA and the memory plan are not features of a training loop: they
/// follow from the graph and the options given to this compiler (compare PockEngine, Zhu et al.
/// 2023).
public struct TrainingCompiler: Sendable {
  /// How gradients become updates.
  public var policy: UpdatePolicy
  /// What matmuls multiply.
  public var precision: ProductPrecision
  /// Whether to keep the graph's text after every stage.
  public var keepsStages: Bool
  /// Whether to recompute cheap activations instead of storing them.
  public var rematerialises: Bool
  /// The most activations to recompute with matmuls instead of storing; those with the fewest
  /// operations per byte come first.
  public var recomputed = 0
  /// How gates that aren't recomputed are stored.
  public var gates = GateStorage.computed
  /// Whether values that are not live together may share memory; off only to measure what that
  /// saves.
  public var reusesMemory = true
  /// Bytes of a gradient strip. Where an update can directly follow its gradient, larger gradients
  /// are processed strip by strip. A strip should fit into the cores' shared cache.
  public var stripBytes = 4 << 20

  public init(
    policy: UpdatePolicy, precision: ProductPrecision = .f32, keepsStages: Bool = false,
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
  /// The persistent buffers of all of them come first, so that no program's transient values
  /// overlap another one's persistent buffers.
  /// - Parameters:
  ///   - traced: as for `compile(_:layout:)`.
  ///   - passes: forward passes without updates.
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

  /// The whole training step as a graph, before lowering.
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
      precision: precision, rematerialises: rematerialises, recomputed: recomputed, gates: gates)
    try pipeline.run("stream") { graph throws(GraphError) in
      graph.streamUpdates(stripBytes: stripBytes)
    }
    return pipeline
  }
}

/// Compiles a forward pass without updates: validation and generation.
public struct InferenceCompiler: Sendable {
  /// What matmuls multiply.
  public var precision: ProductPrecision
  /// The element type in which the step that shares the arena stores trained matrices.
  var parameterType = ElementType.f32

  public init(precision: ProductPrecision = .f32) { self.precision = precision }

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

/// Runs stages one after the other, verifies the graph after each, and keeps their texts if asked
/// to.
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
    precision: ProductPrecision, rematerialises: Bool = true, recomputed: Int = 0,
    gates: GateStorage = .computed
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
    if gates == .int8 {
      try run("keep gates") { graph throws(GraphError) in graph.keepGatesAsBytes() }
    }
    if precision.base != .f32 {
      try run("keep bf16") { graph throws(GraphError) in graph.keepBF16() }
    }
    try run("schedule") { graph throws(GraphError) in graph.scheduleUpdates() }
  }

  mutating func store(parametersAs type: ElementType) throws(GraphError) {
    guard type != .f32 else { return }
    try run("store") { graph throws(GraphError) in graph.keepParameters(as: type) }
  }

  mutating func apply(_ precision: ProductPrecision) throws(GraphError) {
    guard precision.base != .f32 else { return }
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
      program: program, memory: memory, recomputed: recomputed, kept: ActivationAccount(graph),
      lookedUpWeights: lowerer.lookedUpWeights, stages: stages)
  }
}
