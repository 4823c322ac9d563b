import Adaptations
import Compilation
import Graphs
import Operations
import Programs
import Tensors
import Testing

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

@Suite struct ProgramTests {
  @Test(arguments: DifferentiationTests.methods.indices)
  func compilingTwiceGivesTheSameProgram(_ method: Int) throws {
    for policy in Step.policies {
      let programs = try (0..<2).map { _ in
        try Step.compile(
          Step.trace(DifferentiationTests.methods[method]), clipNorm: policy.clipNorm,
          accumulation: policy.accumulation)
      }
      #expect(programs[0].program == programs[1].program)
      #expect(programs[0].memory == programs[1].memory)
      #expect(programs[0].program.description == programs[1].program.description)
    }
  }

  @Test func programsSurviveCoding() throws {
    let program = try Step.compile(
      Step.trace(LoRAAdaptation(rank: 4, alpha: 8, targets: ["layers[1].mlp.up"])), clipNorm: 1
    ).program
    let data = try JSONEncoder().encode(program)
    #expect(try JSONDecoder().decode(Program.self, from: data) == program)
  }

  /// What a step reads and leaves is recorded, with types, in buffers that hold it.
  @Test func portsAreRecorded() throws {
    let program = try Step.compile(Step.trace(FullAdaptation()), clipNorm: 1).program
    let expected: [String: (PortRole, ElementType, Int)] = [
      "tokens": (.input, .int32, 48), "targets": (.input, .int32, 48),
      "document_starts": (.input, .int32, 48), "loss_scale": (.input, .f32, 4),
      "hyper": (.input, .f32, 32), "loss": (.output, .f32, 48),
    ]
    #expect(Set(program.ports.map(\.name)) == Set(expected.keys))
    #expect(program.ports.count == expected.count)
    for port in program.ports {
      let (role, type, bytes) = try #require(expected[port.name])
      #expect(port.role == role && port.elementType == type, "\(port.name)")
      #expect(program.buffers[port.buffer].byteCount == bytes, "\(port.name)")
    }
    // What nothing reads is no input.
    let pass = try Step.compile(Step.trace(NoAdaptation()))
    #expect(pass.program.port(named: "hyper") == nil)
  }

  @Test func sparseNeedsLessMemoryAndWorkThanFull() throws {
    func measure(_ method: some Adaptation) throws -> (transient: Int, total: Int, flops: Int) {
      let compiled = try Step.compile(Step.trace(method))
      let program = compiled.program
      return (
        program.arenaBytes - program.persistentBytes, program.arenaBytes, program.bodyFlops
      )
    }
    let full = try measure(FullAdaptation())
    let whole = try measure(SparseAdaptation(scheme: ["layers[2].attention.output": 1]))
    let half = try measure(SparseAdaptation(scheme: ["layers[2].attention.output": 0.5]))
    #expect(whole.transient < full.transient && whole.total < full.total)
    #expect(whole.flops < full.flops && half.flops < whole.flops)
    #expect(half.total < whole.total)
  }

  @Test func thePlanIsTheArena() throws {
    for method in DifferentiationTests.methods {
      for policy in Step.policies {
        let compiled = try Step.compile(
          Step.trace(method), clipNorm: policy.clipNorm, accumulation: policy.accumulation)
        let mapped = compiled.program.buffers.filter { $0.location == .external }
          .reduce(0) { $0 + $1.byteCount }
        #expect(compiled.memory.mappedWeights == mapped)
        #expect(compiled.memory.total - mapped == compiled.program.arenaBytes)
      }
    }
  }

  /// Programs of one arena agree on the places of what they share.
  @Test func trainingAndValidationShareParameters() throws {
    let traced = try Step.trace(FullAdaptation())
    var layout = PersistentLayout()
    let training = try TrainingCompiler(policy: Step.policy()).compile(traced, layout: &layout)
    let validation = try InferenceCompiler().compile(traced, layout: &layout)
    let places = Dictionary(
      uniqueKeysWithValues: training.program.buffers.filter(\.isPersistent).map {
        ($0.name, $0.location)
      })
    let shared = validation.program.buffers.filter(\.isPersistent)
    #expect(shared.count > traced.parameters.count)
    for buffer in shared { #expect(places[buffer.name] == buffer.location) }
  }

  @Test func noTwoLiveBuffersOverlap() throws {
    for method in DifferentiationTests.methods {
      for policy in Step.policies {
        try expectDisjoint(
          Step.compile(
            Step.trace(method), clipNorm: policy.clipNorm, accumulation: policy.accumulation
          ).program)
      }
    }
    for seed in 0..<100 {
      let policy = Step.policies[seed % Step.policies.count]
      try expectDisjoint(
        Step.compile(
          RandomGraphs.trace(seed: UInt64(seed)), clipNorm: policy.clipNorm,
          accumulation: policy.accumulation
        ).program)
    }
  }

  /// Lifetimes as the calls show them, without asking the compiler.
  private func expectDisjoint(_ program: Program) {
    var first = [Int: Int]()
    var last = [Int: Int]()
    for (position, call) in program.calls.enumerated() {
      for case let view? in call.buffers {
        first[view.buffer] = first[view.buffer] ?? position
        last[view.buffer] = position
      }
    }
    struct Block {
      var name: String
      var memory: Range<Int>
      var time: ClosedRange<Int>
    }
    var blocks: [Block] = []
    for (index, buffer) in program.buffers.enumerated() {
      guard case .arena(let offset) = buffer.location else { continue }
      let memory = offset..<offset + buffer.byteCount
      #expect(offset % arenaAlignment == 0 && memory.upperBound <= program.arenaBytes)
      if buffer.isPersistent {
        #expect(memory.upperBound <= program.persistentBytes)
        blocks.append(Block(name: buffer.name, memory: memory, time: 0...program.calls.count))
      } else if let start = first[index], let end = last[index] {
        #expect(offset >= program.persistentBytes)
        let isOutput = buffer.name == "loss"
        blocks.append(
          Block(
            name: buffer.name, memory: memory,
            time: start...(isOutput ? program.calls.count : end)))
      }
    }
    for a in blocks.indices {
      for b in blocks.indices where b > a && blocks[a].time.overlaps(blocks[b].time) {
        #expect(
          !blocks[a].memory.overlaps(blocks[b].memory), "\(blocks[a].name) and \(blocks[b].name)")
      }
    }
  }
}
