import Adaptations
import Compilation
import Graphs
import Operations
import Programs
import Tensors
import Testing

/// Gate and up of MLPs stored as int8 between the passes.
@Suite struct KeptGatesTests {
  private static func compile(
    _ method: some Adaptation, _ precision: ProductPrecision, _ gates: GateStorage
  ) throws -> CompiledProgram {
    var compiler = TrainingCompiler(policy: Step.policy(), precision: precision)
    compiler.gates = gates
    var layout = PersistentLayout()
    return try compiler.compile(Step.trace(method), layout: &layout)
  }

  /// Each of the two matrices of [12, 48] becomes a byte an element and four a row; nothing else that
  /// is kept changes, and the arena shrinks.
  @Test(arguments: [(ProductPrecision.f32, 4), (.bf16, 2)])
  func theyTakeAByteAnElement(_ precision: ProductPrecision, _ elementBytes: Int) throws {
    let lora = LoRAAdaptation(rank: 2, alpha: 4, targets: ["layers[0].attention.query"])
    for method in [FullAdaptation(), lora] as [any Adaptation] {
      func compile(_ method: some Adaptation, _ gates: GateStorage) throws -> CompiledProgram {
        try Self.compile(method, precision, gates)
      }
      let (before, after) = (try compile(method, .computed), try compile(method, .int8))
      #expect(before.kept[.mlp] == 3 * 2 * 12 * 48 * elementBytes)
      #expect(after.kept[.mlp] == 3 * 2 * 12 * (48 + 4))
      for part in ActivationAccount.Part.allCases where part != .mlp {
        #expect(before.kept[part] == after.kept[part], "\(part)")
      }
      #expect(after.program.arenaBytes < before.program.arenaBytes)
    }
  }

  /// The forward pass reads them as they are, the backward pass what the bytes give.
  @Test func onlyTheBackwardPassReadsBytes() throws {
    let graph = try Step.graph(Step.trace(FullAdaptation()), gates: .int8)
    let restored = Set(
      graph.nodes.filter { $0.operation is FromRowBytes }.flatMap(\.results))
    #expect(restored.count == 6)
    for node in graph.nodes where !(node.operation is FromRowBytes) {
      let reads = node.operands.contains(where: restored.contains)
      #expect(!reads || node.phase == .backward)
      if node.operation is GatedActivationGradient {
        #expect(node.operands[0...1].allSatisfy(restored.contains))
      }
    }
  }

  /// What a method adds beside the model's maps is not rounded.
  @Test func unitsOfAMethodStayAsTheyAre() throws {
    let method = TinyTLAdaptation(units: 8, matrices: [], blocks: 2..<3)
    func kept(_ gates: GateStorage) throws -> ActivationAccount {
      try Self.compile(method, .f32, gates).kept
    }
    #expect(try kept(.int8)[.branches] == kept(.computed)[.branches])
    #expect(try kept(.int8)[.branches] > 0)
  }
}
