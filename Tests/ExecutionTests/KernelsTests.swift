import Execution
import Programs
import Tensors
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct KernelsTests {
  private static let known = [
    "reference", "portable", "avx2", "avx512", "avx512bf16", "avx512amx", "neon", "neonbf16",
    "rvv",
  ]

  @Test func plainLoopsAndTheBaselineRunEverywhere() {
    #expect(Kernels.supported.starts(with: ["reference", "portable"]))
    #expect(Set(Kernels.supported).isSubset(of: Self.known))
  }

  @Test(arguments: Kernels.supported)
  func instructionSetsAreFoundByName(_ name: String) throws {
    #expect(try Kernels(named: name).instructionSet == name)
  }

  @Test func unknownNamesAreErrors() {
    #expect(
      throws: ExecutionError.instructionSetUnknown(name: "sse9", known: Kernels.supported)
    ) { try Kernels(named: "sse9") }
  }

  /// Given as an argument: changing the environment while other tests read it would be a race.
  @Test func theVariableForcesAnInstructionSet() throws {
    #expect(try Kernels.forThisMachine(forced: nil).instructionSet == Kernels.supported.last)
    for name in Kernels.supported {
      #expect(try Kernels.forThisMachine(forced: name).instructionSet == name)
    }
    let known = Self.known
    let unknown = ExecutionError.instructionSetUnknown(name: "AVX2", known: known)
    #expect(throws: unknown) { try Kernels.forThisMachine(forced: "AVX2") }
    #expect(
      unknown.description
        == "SPARSEFT_ISA is 'AVX2', expected one of reference, portable, avx2, avx512, avx512bf16, "
        + "avx512amx, neon, neonbf16, rvv")
    for name in known where !Kernels.supported.contains(name) {
      #expect(throws: ExecutionError.self) { try Kernels.forThisMachine(forced: name) }
    }
  }
}

/// What can't be run is refused before anything runs.
@Suite struct BindingTests {
  private func execute(_ program: Program) throws -> BoundProgram {
    try BoundProgram(
      program, pool: WorkerPool(threads: 1), kernels: Kernels(named: "reference"),
      weights: NoWeights())
  }

  private let values = Buffer(
    name: "values", kind: .activation, byteCount: 12, location: .arena(offset: 0),
    isPersistent: true, contents: .values([1, 2, 3]))

  @Test func unboundBuffersAreNamed() {
    let weight = Buffer(name: "w", kind: .weight, byteCount: 4, location: .external)
    let program = Program(buffers: [weight], calls: [], arenaBytes: 0, persistentBytes: 0)
    #expect(throws: ExecutionError.unbound(buffer: "w")) { try execute(program) }
  }

  @Test func unknownKernelsAreNamed() {
    let call = KernelCall(kernel: "transmogrify", buffers: [], items: 1)
    let program = Program(buffers: [], calls: [call], arenaBytes: 0, persistentBytes: 0)
    #expect(throws: ExecutionError.unknownKernel(name: "transmogrify")) { try execute(program) }
  }

  @Test func hugeArenasAreErrors() {
    let error = #expect(throws: ExecutionError.self) { try Arena(byteCount: Int.max / 2) }
    guard case .outOfMemory(bytes: Int.max / 2, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func stagesRunTheirOwnCallsOnly() throws {
    let add = { (part: StepPart) in
      KernelCall(
        kernel: "add", buffers: [.init(buffer: 0), .init(buffer: 0), .init(buffer: 0)], items: 3,
        part: part)
    }
    let program = Program(
      buffers: [values], calls: [add(.begin), add(.body), add(.body), add(.finish)],
      ports: [ProgramPort(name: "values", role: .output, elementType: .f32, buffer: 0)],
      arenaBytes: 64, persistentBytes: 64)
    let bound = try execute(program)
    bound.initialise(seed: 0)
    let memory = try bound.memory(of: Port<Float>("values"))
    #expect(Array(memory) == [1, 2, 3])
    bound.run(.body)
    #expect(Array(memory) == [4, 8, 12])
    bound.run(.finish)
    #expect(Array(memory) == [8, 16, 24])
    #expect(throws: ExecutionError.portMissing(name: "nothing")) {
      try bound.memory(of: Port<Float>("nothing"))
    }
    #expect(throws: ExecutionError.portType(name: "values", found: .f32, expected: .int32)) {
      try bound.memory(of: Port<Int32>("values"))
    }
  }

  @Test func lowRankFactorsStartUniformAndRepeatably() throws {
    func buffer(_ stream: UInt64) -> Buffer {
      Buffer(
        name: "a\(stream)", kind: .parameter, byteCount: 4000,
        location: .arena(offset: Int(stream) * 4032), isPersistent: true,
        contents: .kaimingUniform(fanIn: 16, stream: stream))
    }
    let program = Program(
      buffers: [buffer(0), buffer(1)], calls: [], arenaBytes: 8064, persistentBytes: 8064)
    func elements(seed: UInt64) throws -> [[Float]] {
      let bound = try execute(program)
      bound.initialise(seed: seed)
      return (0..<2).map { Array(bound.elements(of: $0, as: Float.self)) }
    }
    let first = try elements(seed: 3)
    #expect(try elements(seed: 3) == first)
    #expect(try elements(seed: 4) != first)
    #expect(first[0] != first[1])
    // ±1/√16, of 1000 draws some close to the bounds.
    let largest = first[0].map(\.magnitude).max() ?? 0
    #expect(largest <= 0.25 && largest > 0.24)
  }
}
