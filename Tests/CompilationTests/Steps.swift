import Adaptations
import Compilation
import Graphs
import Models
import Operations
import Programs
import Tensors

/// Descent with momentum, as an optimizer for the compiler's tests.
struct TestRule: UpdateRule {
  func states(of type: TensorType) -> [(name: String, type: TensorType)] {
    [("momentum", type)]
  }
  func update(of type: TensorType) -> any Operation { SGDUpdate(momentum: 0, weightDecay: 0) }
}

/// Training steps of small Llamas.
enum Step {
  static func configuration(layers: Int = 3, tiedHead: Bool = true) -> ModelConfiguration {
    ModelConfiguration(
      width: 32, hiddenWidth: 48, layers: layers, queryHeads: 4, keyValueHeads: 2, headWidth: 8,
      vocabularySize: 40, contextLength: 64, tiedHead: tiedHead)
  }

  static func policy(clipNorm: Double? = nil, accumulation: Int = 1) -> UpdatePolicy {
    UpdatePolicy(rule: TestRule(), clipNorm: clipNorm, accumulation: accumulation)
  }

  static func trace(
    _ method: some Adaptation, _ configuration: ModelConfiguration = configuration(),
    elementType: ElementType = .f32
  ) throws -> Graph {
    var graph = Llama(configuration).traceLoss(batch: 2, tokens: 6) { name in
      name.hasSuffix("norm") ? .f32 : elementType
    }
    try method.adapt(&graph)
    return graph
  }

  static func compile(
    _ traced: Graph, clipNorm: Double? = nil, accumulation: Int = 1
  ) throws -> CompiledProgram {
    var layout = PersistentLayout()
    let policy = policy(clipNorm: clipNorm, accumulation: accumulation)
    return try TrainingCompiler(policy: policy).compile(traced, layout: &layout)
  }

  /// The whole step as the lowering sees it.
  static func graph(
    _ traced: Graph, clipNorm: Double? = nil, accumulation: Int = 1,
    precision: ProductPrecision = .f32, recomputed: Int = 0, gates: GateStorage = .computed
  ) throws -> Graph {
    let policy = policy(clipNorm: clipNorm, accumulation: accumulation)
    var compiler = TrainingCompiler(policy: policy, precision: precision)
    (compiler.recomputed, compiler.gates) = (recomputed, gates)
    return try compiler.graph(of: traced)
  }

  /// Policies that place updates differently.
  static let policies: [(clipNorm: Double?, accumulation: Int)] = [
    (nil, 1), (1, 1), (nil, 4), (1, 4),
  ]
}

extension Graph {
  /// The parameter that a value is, or nil.
  func parameter(_ id: ValueID) -> Parameter? {
    if case .parameter(let parameter) = self[id].source { parameter } else { nil }
  }

  /// The checkpoint's tensor that a parameter holds rows of, or nil.
  func checkpointTensor(_ id: ValueID) -> String? {
    if case .checkpoint(let name, _) = parameter(id)?.initial { name } else { nil }
  }

  /// The first node that reads the parameter of that path.
  func firstReader(of path: String) -> Int? {
    nodes.firstIndex { $0.operands.contains { parameter($0)?.path == path } }
  }
}
