import Graphs
import Operations
import Programs
import Tensors
import Testing

/// One broken graph for each rule of the verifier.
@Suite struct VerifierTests {
  /// x [4, 8] → sum with itself → normalised by a trained gain.
  private func wellFormed() -> (graph: Graph, gain: ValueID, momentum: ValueID) {
    var graph = Graph()
    let x = graph.addSource(.input("x"), TensorType([4, 8]))
    let parameter = Parameter(path: "gain", rows: 0..<8, isTrained: true, initial: .zeros)
    let gain = graph.addSource(.parameter(parameter), TensorType([8]))
    let momentum = graph.addSource(.state("m", .optimizer, .zeros), TensorType([8]))
    let sum = graph.add(Add(), [x, x])[0]
    let y = graph.add(RMSNorm(epsilon: 1e-5), [sum, gain])[0]
    graph.outputs = [("y", y)]
    return (graph, gain, momentum)
  }

  private func problem(of graph: Graph) -> String? {
    do {
      try graph.verify()
      return nil
    } catch {
      guard case .invalid(let node, let problem) = error else { return "\(error)" }
      return "\(node): \(problem)"
    }
  }

  private func update(
    _ graph: inout Graph, _ parameter: ValueID, _ momentum: ValueID, gradient: ValueID
  ) {
    let hyper = graph.addSource(.input("hyper"), TensorType([HyperSlot.count]))
    graph.add(
      SGDUpdate(momentum: 0, weightDecay: 0), [parameter, gradient, momentum, hyper],
      phase: .update)
  }

  @Test func acceptsAWellFormedGraph() {
    var (graph, gain, momentum) = wellFormed()
    let gradient = graph.addSource(.input("g"), TensorType([8]))
    update(&graph, gain, momentum, gradient: gradient)
    #expect(problem(of: graph) == nil)
  }

  @Test func rejectsAReadBeforeTheValueIsProduced() {
    var (graph, _, _) = wellFormed()
    graph.nodes.swapAt(0, 1)
    #expect(problem(of: graph) == "1 rmsnorm: reads %3 before it is produced")
  }

  @Test func rejectsAValueProducedTwice() {
    var (graph, _, _) = wellFormed()
    graph.nodes.insert(graph.nodes[0], at: 0)
    #expect(problem(of: graph) == "0 add: produces %3 twice")
  }

  @Test func rejectsAResultThatBelongsToAnotherNode() {
    var (graph, _, _) = wellFormed()
    graph.nodes[0].id = 77
    #expect(problem(of: graph) == "77 add: produces %3 twice")
  }

  @Test func rejectsOperandsThatBreakTheTypeRule() {
    var (graph, gain, _) = wellFormed()
    graph.nodes[0].operands[1] = gain
    #expect(problem(of: graph) == "0 add: operand 1 is f32[8], expected f32[4, 8]")
    graph.nodes[0].operands.removeLast()
    #expect(problem(of: graph) == "0 add: has 1 operands, expected 2")
  }

  @Test func rejectsResultsThatBreakTheTypeRule() {
    var (graph, _, _) = wellFormed()
    let sum = graph.nodes[0].results[0]
    graph[sum].type = TensorType([4, 9])
    #expect(
      problem(of: graph) == "0 add: results are [f32[4, 9]], the type rule says [f32[4, 8]]")
  }

  @Test func rejectsAnOverwriteOfNoOperand() {
    var (graph, _, _) = wellFormed()
    graph.nodes[0].mutates = [2]
    #expect(problem(of: graph) == "0 add: mutates no operand")
  }

  @Test func rejectsAnOverwriteOfWhatIsNotState() {
    var (graph, gain, _) = wellFormed()
    graph.nodes[1].mutates = [0]
    #expect(problem(of: graph) == "1 rmsnorm: overwrites %3, which is not state")

    (graph, gain, _) = wellFormed()
    graph.nodes[1].mutates = [1]
    #expect(problem(of: graph) == nil)
    graph[gain].source = .parameter(Parameter(path: "gain", rows: 0..<8, initial: .zeros))
    #expect(problem(of: graph) == "1 rmsnorm: overwrites %1, which is not state")
  }

  @Test func rejectsAReadOfAParameterAfterItsUpdate() {
    var (graph, gain, momentum) = wellFormed()
    let gradient = graph.addSource(.input("g"), TensorType([8]))
    update(&graph, gain, momentum, gradient: gradient)
    let last = graph.nodes.removeLast()
    graph.nodes.insert(last, at: 0)
    #expect(problem(of: graph) == "1 rmsnorm: reads %1 after its update")
  }

  /// An update may overwrite its gradient, where nothing reads that afterwards.
  @Test func rejectsAReadOfAGradientAfterItsUpdate() {
    var (graph, _, _) = wellFormed()
    let parameter = Parameter(path: "w", rows: 0..<4, isTrained: true, initial: .zeros)
    let weight = graph.addSource(.parameter(parameter), TensorType([4, 8], .int8))
    let momentum = graph.addSource(.state("n", .optimizer, .zeros), TensorType([4, 8], .bf16))
    let hyper = graph.addSource(.input("hyper"), TensorType([HyperSlot.count]))
    let gradient = graph.nodes[0].results[0]
    graph.add(
      SGDUpdate(momentum: 0.5, weightDecay: 0, integerStep: IntegerStep()),
      [weight, gradient, momentum, hyper], phase: .update)
    #expect(problem(of: graph) == nil)
    graph.outputs.append(("g", gradient))
    #expect(problem(of: graph) == "output g: is overwritten")
    graph.outputs.removeLast()
    graph.nodes.swapAt(1, 2)
    #expect(problem(of: graph) == "1 rmsnorm: reads \(gradient) after it is overwritten")
  }

  @Test func rejectsStagesOutOfOrder() {
    var (graph, _, _) = wellFormed()
    graph.nodes[0].part = .finish
    #expect(problem(of: graph) == "1 rmsnorm: part body comes too late")
  }

  @Test func rejectsAnOutputThatNothingProduces() {
    var (graph, _, _) = wellFormed()
    graph.nodes.removeLast()
    #expect(problem(of: graph) == "output y: is not produced")
  }
}
