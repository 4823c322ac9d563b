import Graphs
import Operations
import Programs
import Tensors

/// Random forward passes: products, norms, gates and sums over values that are read several times.
enum RandomGraphs {
  static func trace(seed: UInt64, operations: Int = 14) -> Graph {
    var random = RandomSource(seed: seed)
    let tracer = Tracer()
    let (rows, width) = (8, 16)
    let ids = TensorType([rows], .int32)
    let table = tracer.parameter("table", [20, width])
    var values = [tracer.input("tokens", ids).applying(Embedding(), table)[0]]
    for index in 0..<operations {
      // Recent values more often, so that graphs are deep as well as wide.
      func pick() -> Traced {
        let back = random.integer(below: min(values.count, random.uniform() < 0.7 ? 2 : 99))
        return values[values.count - 1 - back]
      }
      let x = pick()
      switch random.integer(below: 4) {
      case 0:
        let weight = tracer.parameter("w\(random.integer(below: index + 1))", [width, width])
        values.append(x.applying(Linear(), weight)[0])
      case 1:
        let gain = tracer.parameter("gain\(random.integer(below: index + 1))", [width])
        values.append(x.applying(RMSNorm(epsilon: 1e-5), gain)[0])
      case 2: values.append(x.applying(GatedActivation(.silu), pick())[0])
      default: values.append(x.applying(Add(), pick())[0])
      }
    }
    let head = random.uniform() < 0.5 ? table : tracer.parameter("head", [20, width])
    let last = values[values.count - 1]
    tracer.output(
      "loss", last.applying(HeadLoss(), head, tracer.input("targets", ids))[0])
    return marked(tracer.graph, &random)
  }

  /// Lets each parameter train with probability 1/2.
  private static func marked(_ graph: Graph, _ random: inout RandomSource) -> Graph {
    var graph = graph
    for (value, parameter) in graph.parameters where random.uniform() < 0.5 {
      var trained = parameter
      trained.isTrained = true
      graph[value].source = .parameter(trained)
    }
    return graph
  }
}
