import Adaptations
import Compilation
import Graphs
import Operations
import Programs
import Tensors
import Testing

@Suite struct FusionTests {
  @Test func theHeadsLossAndGradientBecomeOneForwardNode() throws {
    let graph = try Step.graph(Step.trace(FullAdaptation()))
    let heads = graph.nodes.filter { $0.operation is HeadLoss }
    #expect(heads.count == 1)
    let head = try #require(heads.first?.operation as? HeadLoss)
    #expect(head.wantsLoss && head.wantsInput && head.wantsWeights == [true])
    #expect(heads.first?.phase == .forward)
    #expect(graph.outputs.map(\.value) == heads.first.map { [$0.results[0]] })
  }

  /// Residuals, gradients of values read several times, and the tied table's two gradients all
  /// become products that add.
  @Test(arguments: [1, 4])
  func noSumIsLeft(_ accumulation: Int) throws {
    let graph = try Step.graph(Step.trace(FullAdaptation()), accumulation: accumulation)
    #expect(!graph.nodes.contains { $0.operation is Add })
    // The embedding's gradient accumulates on the head's already and needs a sum of its own.
    let sums = graph.nodes.filter { $0.operation is AccumulateGradient }
    #expect(sums.count == (accumulation > 1 ? 1 : 0))
    let residuals = graph.nodes.filter { ($0.operation as? Linear)?.accumulates == true }
    #expect(residuals.count == 6)
  }

  /// The product stays where it was, so no operand of it lives longer.
  @Test func aFusedProductStaysInItsPlace() {
    let tracer = Tracer()
    let x = tracer.input("x", TensorType([2, 4]))
    let w = tracer.parameter("w", [4, 4])
    let y = x.applying(Linear(), w)[0]
    let gated = x.applying(GatedActivation(.silu), x)[0]
    tracer.output("gated", gated)
    tracer.output("sum", x.applying(Add(), y)[0])
    var graph = tracer.graph
    graph.fuse()
    #expect(graph.nodes.map(\.operation.name) == ["linear", "swiglu"])
    #expect((graph.nodes[0].operation as? Linear)?.accumulates == true)
    #expect(graph.outputs[1].value == graph.nodes[0].results[0])
    #expect(throws: Never.self) { try graph.verify() }
  }

  @Test func aProductThatIsReadElsewhereStaysAlone() {
    let tracer = Tracer()
    let x = tracer.input("x", TensorType([2, 4]))
    let w = tracer.parameter("w", [4, 4])
    let y = x.applying(Linear(), w)[0]
    tracer.output("sum", x.applying(Add(), y)[0])
    tracer.output("product", y)
    var graph = tracer.graph
    graph.fuse()
    #expect(graph.nodes.map(\.operation.name) == ["linear", "add"])

    let twice = Tracer()
    let z = twice.input("x", TensorType([2, 4])).applying(
      Linear(), twice.parameter("w", [4, 4]))[0]
    twice.output("sum", z.applying(Add(), z)[0])
    graph = twice.graph
    graph.fuse()
    #expect(graph.nodes.map(\.operation.name) == ["linear", "add"])
  }

  /// Adding to a value that is made later would move the product, and keep its operands alive.
  @Test func aProductThatIsOlderThanTheOtherTermStaysAlone() {
    let tracer = Tracer()
    let x = tracer.input("x", TensorType([2, 4]))
    let y = x.applying(Linear(), tracer.parameter("w", [4, 4]))[0]
    let gated = x.applying(GatedActivation(.silu), x)[0]
    tracer.output("sum", y.applying(Add(), gated)[0])
    var graph = tracer.graph
    graph.fuse()
    #expect(graph.nodes.map(\.operation.name) == ["linear", "swiglu", "add"])
  }

  @Test func fusingKeepsRandomGraphsWellFormed() throws {
    for seed in 0..<200 {
      var graph = RandomGraphs.trace(seed: UInt64(seed))
      let outputs = graph.outputs.map { graph.type(of: $0.value) }
      graph.fuse()
      try graph.verify()
      #expect(graph.outputs.map { graph.type(of: $0.value) } == outputs)
    }
  }
}
