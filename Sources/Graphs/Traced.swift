import Programs
import Tensors

/// Records a forward pass: layers call operations on traced tensors, the tracer keeps the graph.
public final class Tracer {
  public var graph = Graph()
  /// Parameter values by path. Not `Traced`, which would hold the tracer itself.
  private var parameters: [String: ValueID] = [:]
  private let elementType: (String) -> ElementType

  /// - Parameter elementType: how the checkpoint stores the parameter of that name.
  public init(elementType: @escaping (String) -> ElementType = { _ in .f32 }) {
    self.elementType = elementType
  }

  /// The model's parameter at a path; the same path always gives the same tensor (weight tying).
  public func parameter(
    _ path: String, _ shape: Shape, kind: ParameterKind = .matrix
  ) -> Traced {
    if let known = parameters[path] { return Traced(self, known) }
    let rows = 0..<(shape.rank > 1 ? shape[0] : shape.count)
    let parameter = Parameter(
      path: path, rows: rows, kind: kind, initial: .checkpoint(name: path, rows: rows))
    let type = TensorType(shape, elementType(path))
    let value = graph.addSource(.parameter(parameter), type)
    parameters[path] = value
    return Traced(self, value)
  }

  /// A value that the caller provides for each run.
  public func input(_ name: String, _ type: TensorType) -> Traced {
    Traced(self, graph.addSource(.input(name), type))
  }

  /// The input value that the caller writes through a port before each run.
  public func input<Element>(_ port: Port<Element>, _ shape: Shape) -> Traced {
    input(port.name, TensorType(shape, Element.elementType))
  }

  /// Memory outside the arena that the program may write.
  public func external(_ name: String, _ type: TensorType) -> Traced {
    Traced(self, graph.addSource(.external(name), type))
  }

  /// A table of numbers known at compile time.
  public func constant(_ name: String, _ shape: Shape, _ values: [Float]) -> Traced {
    precondition(values.count == shape.count, "constant \(name)")
    return Traced(self, graph.addSource(.constant(name, .values(values)), TensorType(shape)))
  }

  /// Marks a value that the caller reads after a run.
  public func output(_ name: String, _ value: Traced) {
    graph.outputs.append((name, value.id))
  }

  /// Marks a value that the caller reads from a port after a run.
  public func output<Element>(_ port: Port<Element>, _ value: Traced) { output(port.name, value) }
}

/// A handle on a value of the graph being traced.
public struct Traced {
  public let tracer: Tracer
  public let id: ValueID

  public init(_ tracer: Tracer, _ id: ValueID) {
    self.tracer = tracer
    self.id = id
  }

  public var type: TensorType { tracer.graph.type(of: id) }
  public var shape: Shape { type.shape }

  /// Applies an operation to this and further operands.
  public func applying(_ operation: any Operation, _ others: Traced...) -> [Traced] {
    tracer.graph.add(operation, [id] + others.map(\.id)).map { Traced(tracer, $0) }
  }
}
