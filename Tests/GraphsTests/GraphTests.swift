import Graphs
import Operations
import Programs
import Tensors
import Testing

@Suite struct GraphTests {
  @Test func oneParameterPerPath() {
    let tracer = Tracer { $0 == "a" ? .bf16 : .f32 }
    let first = tracer.parameter("a", [3, 4])
    #expect(tracer.parameter("a", [3, 4]).id == first.id)
    #expect(tracer.parameter("b", [4]).id != first.id)
    #expect(first.type == TensorType([3, 4], .bf16))
    #expect(tracer.graph.parameters.map(\.parameter.name) == ["a[0..<3]", "b[0..<4]"])
    #expect(
      tracer.graph.parameters[0].parameter.initial == .checkpoint(name: "a", rows: 0..<3))
  }

  /// A search compiles hundreds of graphs; each has to go when it is done with.
  @Test func tracersAreFreed() {
    weak var kept: Tracer?
    do {
      let tracer = Tracer()
      let value = tracer.parameter("a", [3, 4])
      tracer.output("y", value.applying(Add(), value)[0])
      kept = tracer
      #expect(kept?.graph.outputs.count == 1)
    }
    #expect(kept == nil)
  }

  @Test func readersAndProducers() {
    let tracer = Tracer()
    let x = tracer.input("x", TensorType([2, 3]))
    let sum = x.applying(Add(), x)[0]
    let gated = sum.applying(GatedActivation(.silu), x)[0]
    let graph = tracer.graph
    #expect(graph.readers()[x.id.index] == [0, 1])
    #expect(graph.readers()[sum.id.index] == [1])
    #expect(graph.readers()[gated.id.index] == [])
    #expect(graph.producers()[x.id.index] == nil)
    #expect(graph.producers()[gated.id.index] == 1)
  }

  @Test func printsSourcesNodesAndOutputs() {
    let tracer = Tracer()
    let x = tracer.input("x", TensorType([2, 3]))
    _ = tracer.input("unused", TensorType([1]))
    let w = tracer.parameter("w", [5, 3])
    let cache = tracer.external("cache", TensorType([9, 5]))
    let position = tracer.input("position", TensorType([1], .int32))
    let y = x.applying(Linear(scale: 0.5), w)[0]
    _ = y.applying(CacheStore(), cache, position)
    tracer.output("y", y)
    #expect(
      tracer.graph.description == """
        %0 = input x : f32[2, 3]
        %2 = frozen w[0..<5] : f32[5, 3]
        %3 = external cache : f32[9, 5]
        %4 = input position : int32[1]
        %5 = linear scale=0.5(%0, %2) : f32[2, 5]  // forward
        cache_store(%5, &%3, %4)  // forward
        output y = %5
        """)
  }
}
