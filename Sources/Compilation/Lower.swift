import Graphs
import Operations
import Programs
import Tensors

/// Turns a finished graph into a program: assigns buffers, places them, emits kernel calls.
struct Lowerer {
  let graph: Graph
  private let assignment: BufferAssignment
  private var buffers: [Buffer] = []
  private var ports: [ProgramPort] = []
  private var bufferOfRoot: [ValueID: Int] = [:]
  private var scalesOfValue: [ValueID: Int] = [:]
  private var rowScaleCalls: [KernelCall] = []
  private var ranges: [(buffer: Int, range: LiveRange)] = []
  /// Memory of gradients: what updates and gradient accumulation read.
  private let gradientRoots: Set<ValueID>
  /// Weights that matmuls multiply as int8.
  private let quantisedWeights: Set<ValueID>

  init(_ graph: Graph) {
    self.graph = graph
    let assignment = BufferAssignment(graph)
    quantisedWeights = Set(
      graph.nodes.filter { ($0.operation as? any QuantisingOperation)?.quantises == true }
        .flatMap(\.operands).filter(graph.isStoredMatrix))
    self.assignment = assignment
    gradientRoots = Set(
      graph.nodes.filter { $0.phase == .update || $0.operation is AccumulateGradient }
        .flatMap(\.operands).map { assignment.root[$0.index] })
  }

  /// Frozen weights that are read only by embedding lookups.
  var lookedUpWeights: [Buffer] {
    let readers = graph.readers()
    return graph.parameters.compactMap { value, parameter in
      let nodes = readers[value.index].map { graph.nodes[$0] }
      guard !parameter.isTrained, !nodes.isEmpty, nodes.allSatisfy({ $0.operation.isLookup })
      else { return nil }
      return bufferOfRoot[value].map { buffers[$0] }
    }
  }

  /// Gives every value its buffer.
  ///
  /// - Parameter layout: places of persistent buffers; new buffers are added to it.
  mutating func addBuffers(layout: inout PersistentLayout) {
    var used: [ValueID] = []
    var seen = Set<ValueID>()
    for id in graph.nodes.flatMap({ $0.operands + $0.results }) + graph.outputs.map(\.value)
    where seen.insert(assignment.root[id.index]).inserted {
      used.append(assignment.root[id.index])
    }
    for id in used { addBuffer(for: id, layout: &layout) }
    addPorts(used)
  }

  /// Adds the ports: inputs among the used values, and outputs.
  private mutating func addPorts(_ used: [ValueID]) {
    func add(_ name: String, _ role: PortRole, _ id: ValueID) {
      ports.append(
        ProgramPort(
          name: name, role: role, elementType: graph.type(of: id).elementType,
          buffer: view(id).buffer))
    }
    for id in used {
      if case .input(let name) = graph[id].source { add(name, .input, id) }
    }
    for output in graph.outputs { add(output.name, .output, output.value) }
  }

  /// Emits the calls, and places transient buffers behind the persistent ones. Comes after
  /// `addBuffers`.
  ///
  /// - Parameters:
  ///   - layout: the persistent buffers of all programs that share the arena.
  ///   - reusesMemory: let values share places when they are not alive together.
  mutating func lower(
    layout: PersistentLayout, reusesMemory: Bool = true
  ) throws(GraphError) -> (program: Program, memory: MemoryPlan) {
    var calls = rowScaleCalls
    for (position, node) in graph.nodes.enumerated() {
      calls += try lower(node, at: position)
    }
    let placed = reusesMemory ? planMemory(ranges.map(\.range)) : stack(ranges.map(\.range))
    for (item, offset) in zip(ranges, placed.offsets) {
      buffers[item.buffer].location = .arena(offset: layout.byteCount + offset)
    }
    let program = Program(
      buffers: buffers, calls: calls, ports: ports, arenaBytes: layout.byteCount + placed.byteCount,
      persistentBytes: layout.byteCount)
    return (program, plan(program, layout: layout, transientBytes: placed.byteCount))
  }

  private mutating func lower(_ node: Node, at position: Int) throws(GraphError) -> [KernelCall] {
    guard let operation = node.operation as? any LowerableOperation else {
      throw .invalid(node: "\(node.id) \(node.operation.name)", problem: "has no kernels")
    }
    let types = node.operands.map { graph.type(of: $0) }
    let temporaries = operation.temporaries(types).map { bytes in
      let buffer = addTransient(
        "\(node.operation.name).scratch", kind: .workspace, byteCount: bytes,
        range: position...position)
      return BufferView(buffer: buffer)
    }
    var lowering = Lowering(
      node: node, operandTypes: types, resultTypes: node.results.map { graph.type(of: $0) },
      operands: node.operands.map(view),
      scales: node.operands.map { id in
        scalesOfValue[assignment.root[id.index]].map { BufferView(buffer: $0) }
      },
      results: node.results.map(view), temporaries: temporaries)
    operation.lower(into: &lowering)
    return lowering.calls
  }

  private func view(_ id: ValueID) -> BufferView {
    guard let buffer = bufferOfRoot[assignment.root[id.index]] else {
      preconditionFailure("\(id) has no buffer")
    }
    return BufferView(buffer: buffer)
  }

  private mutating func addBuffer(for id: ValueID, layout: inout PersistentLayout) {
    let type = graph.type(of: id)
    switch graph[id].source {
    case .parameter(let parameter) where parameter.isTrained:
      addPersistent(parameter.name, .parameter, type, parameter.initial, layout: &layout)
      if type.elementType == .int8 {
        addTrainedScales(type, for: id, layout: &layout)
      } else if quantisedWeights.contains(id) {
        addTrainedRowScales(of: parameter, type, for: id, layout: &layout)
      }
    case .parameter(let parameter): addFrozenWeight(parameter, type, for: id, layout: &layout)
    case .input(let name): addPersistent(name, .input, type, .zeros, layout: &layout)
    case .constant(let name, let contents):
      addPersistent(name, .constant, type, contents, layout: &layout)
    case .state(let name, let kind, let contents):
      addPersistent(name, kind, type, contents, layout: &layout)
    case .external(let name):
      buffers.append(
        Buffer(
          name: name, kind: .input, byteCount: type.byteCount,
          elements: BufferElement(type.elementType), location: .external))
    case .node: addResult(id, type)
    }
    if bufferOfRoot[id] == nil { bufferOfRoot[id] = buffers.count - 1 }
  }

  /// A buffer that keeps its bytes between steps.
  private mutating func addPersistent(
    _ name: String, _ kind: BufferKind, _ type: TensorType, _ contents: InitialContents,
    layout: inout PersistentLayout
  ) {
    let elements =
      kind == .optimizer && type.elementType == .int8
      ? .momentCodes : BufferElement(type.elementType)
    let offset = layout.offset(of: name, kind: kind, byteCount: type.byteCount)
    buffers.append(
      Buffer(
        name: name, kind: kind, byteCount: type.byteCount, elements: elements,
        location: .arena(offset: offset), isPersistent: true, contents: contents))
  }

  /// Adds a weight as the checkpoint stores it, and its row scales where matmuls need it in int8.
  private mutating func addFrozenWeight(
    _ parameter: Parameter, _ type: TensorType, for id: ValueID, layout: inout PersistentLayout
  ) {
    addMappedWeight(parameter, type, for: id)
    guard quantisedWeights.contains(id), type.elementType != .int8,
      case .checkpoint(let tensor, let rows) = parameter.initial
    else { return }
    scalesOfValue[id] = addRowScales(
      of: parameter, type, kind: .constant, layout: &layout,
      contents: .rowScales(name: tensor, rows: rows, width: type.shape.columns))
  }

  /// Adds the buffer of a node's result, for as long as the result is live.
  private mutating func addResult(_ id: ValueID, _ type: TensorType) {
    let live = assignment.live[id] ?? (0, graph.nodes.count)
    let name = graph.outputs.first { assignment.root[$0.value.index] == id }?.name ?? "\(id)"
    bufferOfRoot[id] = addTransient(
      name, kind: gradientRoots.contains(id) ? .gradient : .activation, byteCount: type.byteCount,
      elements: BufferElement(type.elementType), range: live.first...live.last)
  }

  /// Adds the row scales of a weight that is not stored in int8.
  private mutating func addRowScales(
    of parameter: Parameter, _ type: TensorType, kind: BufferKind,
    layout: inout PersistentLayout, contents: InitialContents
  ) -> Int {
    let name = parameter.name + ".row_scales"
    let scales = TensorType([type.shape[0]])
    let offset = layout.offset(of: name, kind: kind, byteCount: scales.byteCount)
    buffers.append(
      Buffer(
        name: name, kind: kind, byteCount: scales.byteCount, location: .arena(offset: offset),
        isPersistent: true, contents: contents))
    return buffers.count - 1
  }

  /// Adds the row scales of the int8 matrix that the last buffer holds. They are trained as it is,
  /// and get their first values with it.
  private mutating func addTrainedScales(
    _ type: TensorType, for id: ValueID, layout: inout PersistentLayout
  ) {
    let weight = buffers.count - 1
    bufferOfRoot[id] = weight
    addPersistent(
      buffers[weight].scalesName, .parameter, TensorType([type.shape[0]]), .undefined,
      layout: &layout)
    scalesOfValue[id] = buffers.count - 1
  }

  /// Adds a trained weight's row scales, computed whenever a step or a pass without updates begins.
  private mutating func addTrainedRowScales(
    of parameter: Parameter, _ type: TensorType, for id: ValueID, layout: inout PersistentLayout
  ) {
    let weight = buffers.count - 1
    bufferOfRoot[id] = weight
    let scales = addRowScales(
      of: parameter, type, kind: .workspace, layout: &layout, contents: .undefined)
    scalesOfValue[id] = scales
    rowScaleCalls.append(
      KernelCall(
        kernel: "row_scales_\(type.elementType)",
        buffers: [BufferView(buffer: weight), BufferView(buffer: scales)],
        sizes: [type.shape.columns], items: type.shape[0], part: .begin))
  }

  private mutating func addMappedWeight(_ parameter: Parameter, _ type: TensorType, for id: ValueID)
  {
    bufferOfRoot[id] = buffers.count
    buffers.append(
      Buffer(
        name: parameter.name, kind: .weight, byteCount: type.byteCount,
        elements: BufferElement(type.elementType), location: .external,
        contents: parameter.initial))
    if type.elementType == .int8 {
      scalesOfValue[id] = buffers.count
      buffers.append(
        Buffer(
          name: buffers[buffers.count - 1].scalesName, kind: .weight, byteCount: 4 * type.shape[0],
          location: .external, contents: parameter.initial.storedScales))
    }
  }

  private mutating func addTransient(
    _ name: String, kind: BufferKind, byteCount: Int, elements: BufferElement = .f32,
    range: ClosedRange<Int>
  ) -> Int {
    buffers.append(
      Buffer(
        name: name, kind: kind, byteCount: byteCount, elements: elements,
        location: .arena(offset: 0)))
    let live = LiveRange(
      byteCount: byteCount, first: range.lowerBound, last: range.upperBound)
    ranges.append((buffers.count - 1, live))
    return buffers.count - 1
  }

  /// Bytes by kind: the persistent buffers, mapped weights, and what is live at the arena's peak.
  private func plan(
    _ program: Program, layout: PersistentLayout, transientBytes: Int
  ) -> MemoryPlan {
    var plan = layout.memory
    for buffer in program.buffers where buffer.location == .external && buffer.kind != .weight {
      plan.add(buffer.byteCount, kind: buffer.kind)
    }
    plan.add(mappedWeightBytes(program.buffers), kind: .weight)
    let peak = peakLiveBytes(ranges.map(\.range))
    var counted = 0
    for item in ranges where (item.range.first...item.range.last).contains(peak.position) {
      plan.add(aligned(item.range.byteCount), kind: buffers[item.buffer].kind)
      counted += aligned(item.range.byteCount)
    }
    plan.workspace += transientBytes - counted
    return plan
  }
}
