import Programs
import Tensors

/// A value's number within its graph.
public struct ValueID: Hashable, Sendable, CustomStringConvertible {
  public let index: Int
  public init(_ index: Int) { self.index = index }
  public var description: String { "%\(index)" }
}

/// Shape and element type of a value.
public struct TensorType: Hashable, Sendable, CustomStringConvertible {
  public let shape: Shape
  public let elementType: ElementType

  public init(_ shape: Shape, _ elementType: ElementType = .f32) {
    self.shape = shape
    self.elementType = elementType
  }

  /// Bytes of the elements, not counting int8's row scales.
  public var byteCount: Int { shape.count * elementType.byteCount }
  public var description: String { "\(elementType)\(shape)" }
}

/// A tensor of the model, some of its rows, or a factor that an adaptation adds.
public struct Parameter: Hashable, Sendable {
  /// Its path: `layers[3].mlp.up`, or `layers[3].mlp.up.lora_a`.
  public var path: String
  /// The rows of the tensor that this value holds. For `InitialContents.checkpointRows`, the range
  /// that the selected rows come from.
  public var rows: Range<Int>
  public var kind: ParameterKind
  /// Whether the step updates the parameter.
  public var isTrained: Bool
  /// Whether its gradient is only scored: the parameter stays in the mapped checkpoint, unchanged.
  public var isScored = false
  /// The parameter's contents before the first step.
  public var initial: InitialContents

  public init(
    path: String, rows: Range<Int>, kind: ParameterKind = .matrix, isTrained: Bool = false,
    initial: InitialContents
  ) {
    self.path = path
    self.rows = rows
    self.kind = kind
    self.isTrained = isTrained
    self.initial = initial
  }

  /// Whether the backward pass computes its gradient.
  public var wantsGradient: Bool { isTrained || isScored }

  /// Path and rows: unique within a graph. Selected rows are named by their count and a hash of
  /// their ids, so that a training state of other rows is not mistaken for this one.
  public var name: String {
    guard case .checkpointRows(_, let ids) = initial else {
      return "\(path)[\(rows.lowerBound)..<\(rows.upperBound)]"
    }
    return "\(path)[\(ids.count) of \(rows.count), \(String(Self.hash(ids), radix: 16))]"
  }

  /// FNV-1a over the ids (Fowler, Noll, Vo), 64 bits.
  private static func hash(_ ids: [Int32]) -> UInt64 {
    ids.reduce(0xCBF2_9CE4_8422_2325) { hash, id in
      (0..<4).reduce(hash) { hash, byte in
        (hash ^ UInt64(truncatingIfNeeded: id >> (8 * byte)) & 0xFF) &* 0x100_0000_01B3
      }
    }
  }
}

/// Where a value comes from.
public enum ValueSource: Hashable, Sendable {
  case parameter(Parameter)
  /// Written by the caller before each run.
  case input(String)
  /// Numbers known when compiling: `.values` or `.integers`.
  case constant(String, InitialContents)
  /// Kept from step to step: moments, gradient accumulators, caches. `kind` says which.
  case state(String, BufferKind, InitialContents)
  /// Bound to outside memory that the program may write: key/value caches.
  case external(String)
  case node(Int, result: Int)
}

/// One value: its type and origin.
public struct Value: Sendable {
  public var type: TensorType
  public var source: ValueSource

  public init(type: TensorType, source: ValueSource) {
    self.type = type
    self.source = source
  }
}

/// One operation applied to values.
public struct Node: Sendable {
  /// Unique within the graph, and stable when nodes move.
  public var id: Int
  public var operation: any Operation
  public var operands: [ValueID]
  public var results: [ValueID]
  public var phase: Phase
  public var part: StepPart
  /// Operands that the node overwrites. A node with any is kept for its side effect.
  public var mutates: [Int]
}

/// A computation: values, and the nodes that make them in an order in which they can run.
public struct Graph: Sendable {
  public private(set) var values: [Value] = []
  public var nodes: [Node] = []
  /// Values that the caller reads after a run, by name.
  public var outputs: [(name: String, value: ValueID)] = []
  /// Named modules of the forward pass as it was traced, in the order in which they ended.
  public private(set) var modules: [TracedModule] = []
  /// The first module at each path, as its index.
  private var moduleIndices: [String: Int] = [:]
  private var nextNode = 0

  public init() {}

  public subscript(_ id: ValueID) -> Value {
    get { values[id.index] }
    set { values[id.index] = newValue }
  }

  public func type(of id: ValueID) -> TensorType { values[id.index].type }

  /// All values that are parameters, in order of creation.
  public var parameters: [(value: ValueID, parameter: Parameter)] {
    values.indices.compactMap { index in
      guard case .parameter(let parameter) = values[index].source else { return nil }
      return (ValueID(index), parameter)
    }
  }

  /// The module at a path; nil if the pass has none there.
  public func module(_ path: String) -> TracedModule? { moduleIndices[path].map { modules[$0] } }

  /// Adds a module that has ended.
  mutating func add(_ module: TracedModule) {
    if moduleIndices[module.path] == nil { moduleIndices[module.path] = modules.count }
    modules.append(module)
  }

  /// Adds a value that no node produces.
  public mutating func addSource(_ source: ValueSource, _ type: TensorType) -> ValueID {
    values.append(Value(type: type, source: source))
    return ValueID(values.count - 1)
  }

  /// Adds the input value that the caller writes through a port before each run.
  public mutating func addInput<Element>(_ port: Port<Element>, _ shape: Shape) -> ValueID {
    addSource(.input(port.name), TensorType(shape, Element.elementType))
  }

  /// The value that the caller reads from a port after a run, or nil.
  public func output<Element>(_ port: Port<Element>) -> ValueID? {
    outputs.first { $0.name == port.name }?.value
  }

  /// Appends a node and returns its results. Operands that don't fit the operation are a bug of the
  /// caller: they trap with the operation's name.
  @discardableResult
  public mutating func add(
    _ operation: any Operation, _ operands: [ValueID], phase: Phase = .forward,
    part: StepPart = .body, mutates: [Int]? = nil
  ) -> [ValueID] {
    let node = makeNode(operation, operands, phase: phase, part: part, mutates: mutates)
    nodes.append(node)
    return node.results
  }

  /// A node with fresh results that is not yet in `nodes`: rewriting passes place it themselves.
  public mutating func makeNode(
    _ operation: any Operation, _ operands: [ValueID], phase: Phase, part: StepPart = .body,
    mutates: [Int]? = nil
  ) -> Node {
    let types: [TensorType]
    do {
      types = try operation.resultTypes(operands.map { type(of: $0) })
    } catch {
      preconditionFailure("\(operation.name): \(error)")
    }
    let id = nextNode
    nextNode += 1
    let results = types.enumerated().map { index, type in
      addSource(.node(id, result: index), type)
    }
    return Node(
      id: id, operation: operation, operands: operands, results: results, phase: phase,
      part: part, mutates: mutates ?? operation.mutatedOperands)
  }
}

extension Graph {
  /// For every value, the positions in `nodes` that read it.
  public func readers() -> [[Int]] {
    var readers = [[Int]](repeating: [], count: values.count)
    for (position, node) in nodes.enumerated() {
      for operand in Set(node.operands) { readers[operand.index].append(position) }
    }
    return readers
  }

  /// For every value, the position in `nodes` that produces it, or nil for sources.
  public func producers() -> [Int?] {
    var producers = [Int?](repeating: nil, count: values.count)
    for (position, node) in nodes.enumerated() {
      for result in node.results { producers[result.index] = position }
    }
    return producers
  }
}
