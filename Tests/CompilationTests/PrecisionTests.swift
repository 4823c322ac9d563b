import Adaptations
import Compilation
import Graphs
import Models
import Operations
import Programs
import Tensors
import Testing

/// The stage that makes values bf16.
@Suite struct PrecisionTests {
  private static func graph(
    _ precision: ProductPrecision, _ method: any Adaptation = FullAdaptation(),
    elementType: ElementType = .f32
  ) throws -> Graph {
    func trace(_ method: some Adaptation) throws -> Graph {
      try Step.trace(method, elementType: elementType)
    }
    return try Step.graph(try trace(method), precision: precision)
  }

  private static let lora = LoRAAdaptation(
    rank: 2, alpha: 4, targets: ["layers[1].mlp.down", "layers[2].attention.query"])

  @Test func productsReadBF16Only() throws {
    for method in [FullAdaptation(), Self.lora] as [any Adaptation] {
      let graph = try Self.graph(.bf16, method)
      var products = 0
      for node in graph.nodes {
        guard let operation = node.operation as? any BF16Operation else { continue }
        for index in operation.productOperands {
          products += 1
          #expect(graph.type(of: node.operands[index]).elementType == .bf16, "\(operation.name)")
        }
      }
      #expect(products > 30)
    }
  }

  /// What is summed over depth or over steps keeps its precision.
  @Test func theResidualStreamAndGradientsOfParametersStayWide() throws {
    let graph = try Self.graph(.bf16)
    func types(of name: String, _ operand: Int) -> Set<ElementType> {
      Set(
        graph.nodes.filter { $0.operation.name == name }.map {
          graph.type(of: $0.operands[operand]).elementType
        })
    }
    #expect(types(of: "rmsnorm", 0) == [.f32])
    #expect(types(of: "rmsnorm_input_gradient", 0) == [.f32])
    #expect(types(of: "sgd", 1) == [.f32])
    #expect(types(of: "attention", 0) == [.bf16])
    #expect(types(of: "swiglu_gradient", 2) == [.bf16])
    for output in graph.outputs {
      #expect(graph.type(of: output.value).elementType == .f32, "\(output.name)")
    }
  }

  /// A value that both products read is rounded once.
  @Test func roundingIsShared() throws {
    let graph = try Self.graph(.bf16)
    let rounded = graph.nodes.filter { $0.operation is ToBF16 }.map { $0.operands[0] }
    #expect(!rounded.isEmpty && Set(rounded).count == rounded.count)
  }

  @Test func f32LeavesTheGraphAlone() throws {
    let graph = try Self.graph(.f32)
    let types = Set(graph.nodes.flatMap { $0.results.map { graph.type(of: $0).elementType } })
    #expect(types == [.f32])
  }

  /// Integers are multiplied where a weight is the checkpoint's, frozen or not and however it is
  /// stored, and only if asked for; low-rank factors are not quantised.
  @Test func productsOfStoredWeightsAreQuantised() throws {
    let method = SparseAdaptation(scheme: ["layers[1].mlp.down": 1])
    func quantised(
      _ precision: ProductPrecision, _ type: ElementType, _ method: any Adaptation
    ) throws -> (yes: Int, no: Int) {
      let graph = try Self.graph(precision, method, elementType: type)
      let products = graph.nodes.compactMap { $0.operation as? any QuantisingOperation }
      let yes = products.count { $0.quantises }
      return (yes, products.count - yes)
    }
    #expect(try quantised(.bf16, .int8, method).yes == 0)
    for type in [ElementType.f32, .bf16, .int8] {
      let products = try quantised(.int8, type, method)
      #expect(products.yes > 20 && products.no == 0, "\(type)")
      // Two pairs of factors forward and backward, but the lowest pair's input gets no gradient.
      #expect(try quantised(.int8, type, Self.lora).no == 7, "\(type)")
    }
  }

  /// A matrix that is kept in bf16 multiplies no integers, forward or backward, also when it trains
  /// in parts or, as a tied model's head, under another name; the others' matmuls do not change.
  @Test func keptMatricesMultiplyNoIntegers() throws {
    let method = SparseAdaptation(scheme: ["layers[1].mlp.down": 0.5, "head": 1])
    let kept: Set = ["layers[1].mlp.down", "layers[2].attention.value", "embedding"]
    func quantised(_ precision: ProductPrecision) throws -> [String: Set<Bool>] {
      let graph = try Self.graph(precision, method)
      var found: [String: Set<Bool>] = [:]
      for node in graph.nodes {
        guard let operation = node.operation as? any QuantisingOperation else { continue }
        for name in node.operands.compactMap(graph.checkpointTensor) {
          found[name, default: []].insert(operation.quantises)
        }
      }
      return found
    }
    let whole = try quantised(.int8)
    let mixed = try quantised(ProductPrecision(.int8, keptInBF16: kept))
    #expect(Set(whole.keys) == Set(mixed.keys) && kept.isSubset(of: mixed.keys))
    for (name, found) in mixed {
      #expect(found == (kept.contains(name) ? [false] : whole[name]), "\(name)")
    }
    #expect(ProductPrecision(.bf16, keptInBF16: kept) == .bf16)
  }

  /// Half the activations' bytes, nearly.
  @Test func bf16TakesLessMemory() throws {
    func activations(_ precision: ProductPrecision) throws -> Int {
      var layout = PersistentLayout()
      let compiler = TrainingCompiler(policy: Step.policy(), precision: precision)
      let traced = try Step.trace(FullAdaptation())
      return try compiler.compile(traced, layout: &layout).memory.activations
    }
    #expect(try Double(activations(.bf16)) < 0.75 * Double(activations(.f32)))
  }
}
