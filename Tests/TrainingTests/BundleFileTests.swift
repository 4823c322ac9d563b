import Adaptations
import CKernels
import CRuntime
import Compilation
import Datasets
import Execution
import Storage
import Tensors
import TestSupport
import Testing
import Weights

@testable import Training

#if canImport(Glibc)
  import Glibc
#endif

/// Steps as files, and the executor in C that opens them without Swift.
@Suite struct BundleFileTests {
  private let steps = 4
  private let text = TrainingFixture.text(windows: 40)

  /// Losses and gradient norms of some steps, and a validation's behind them.
  private struct Figures: Equatable {
    var losses: [Double] = []
    var norms: [Double] = []
    var score = 0.0
  }

  /// The plain loops, since with others f32 attention is a library's here.
  @Test(arguments: TestMethod.allCases, ProductPrecision.plain)
  func aFileRunsAsItsStep(method: TestMethod, precision: ProductPrecision) throws {
    let fixture = try TrainingFixture(instructionSet: "reference")
    let settings = TrainingFixture.settings(steps: steps, accumulation: 2, precision: precision)
    try expectTheSame(fixture, fixture.adaptation(method), settings)
  }

  @Test(arguments: [ElementType.bf16, .int8])
  func storedTypesAreRead(type: ElementType) throws {
    let fixture = try TrainingFixture(elementType: type, instructionSet: "reference")
    for parameters in [ElementType.f32, .bf16, .int8] {
      let optimizer = Optimizer.adamW(AdamW(stateType: .int8, parameterType: parameters))
      let settings = TrainingFixture.settings(steps: steps, optimizer: optimizer)
      try expectTheSame(fixture, fixture.adaptation(.rows), settings)
      try expectTheSame(fixture, fixture.adaptation(.full), settings)
    }
  }

  /// Frozen blocks are a program of their own; every instruction set of this CPU is the file's.
  @Test(arguments: Kernels.supported)
  func frozenBlocksAreComputed(instructionSet: String) throws {
    let fixture = try TrainingFixture(
      TinyModel.configuration(layers: 4), instructionSet: instructionSet)
    let method = FrozenPrefixMethod.wholeTensors.adaptation(fixture)
    let settings = TrainingFixture.settings(
      steps: steps, optimizer: .sgd(SGD()), precision: .bf16)
    try expectTheSame(fixture, method, settings)
  }

  private func expectTheSame(
    _ fixture: TrainingFixture, _ adaptation: some Adaptation, _ settings: TrainingSettings
  ) throws {
    var fixture = fixture
    fixture.kernels.tuner = ProductTuner(.fixed(.tiles))
    let session = try fixture.session(adaptation, settings)
    let file = try BundleFile(session.step, settings, fixture.checkpoint).bytes()
    let expected = run(session, settings)
    let found = try run(file, fixture)
    #expect(found.losses == expected.losses)
    #expect(found == expected)
    #expect(Set(found.losses).count == steps * settings.shape.accumulation)
  }

  /// What trained and how a delta stores it is in the file, in a delta's order.
  @Test(arguments: TestMethod.allCases)
  func changesAreThoseOfADelta(method: TestMethod) throws {
    let fixture = try TrainingFixture(instructionSet: "reference")
    let settings = TrainingFixture.settings(steps: 1)
    let session = try fixture.session(fixture.adaptation(method), settings)
    let file = try BundleFile(session.step, settings, fixture.checkpoint).bytes()
    let bundle = OpenedBundle(file)
    let handle = try #require(bundle.handle, "\(bundle.problem ?? "")")
    let found = (0..<sft_bundle_change_count(handle)).map { index in
      let change = sft_bundle_change(handle, index).pointee
      let runs = (0..<Int(change.number_count)).compactMap { change.numbers?[$0] }
      return withUnsafeBytes(of: change.tensor) {
        let name = String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        let isRows = change.kind == SFT_NEW_ROWS
        return (name: name, runs: isRows ? runs.map(Int.init) : [], count: Int(change.count))
      }
    }
    var expected: [(name: String, runs: [Int], count: Int)] = []
    for update in try session.deltaUpdates() {
      var (runs, count): ([Int], Int) = ([], 0)
      switch update.content {
      case .rows(let rows, _), .integers(let rows, _), .differences(let rows, _):
        runs = [rows.lowerBound, rows.upperBound]
      case .lowRank(let rank, _, _, _): count = rank
      case .hiddenUnits(let units, _, _, _): count = units
      case .tensor: break
      }
      if let last = expected.last, last.name == update.name, !runs.isEmpty {
        expected[expected.count - 1].runs += runs
      } else {
        expected.append((update.name, runs, count))
      }
    }
    #expect(found.map(\.name) == expected.map(\.name))
    #expect(found.map(\.runs) == expected.map(\.runs))
    #expect(found.map(\.count) == expected.map(\.count))
    #expect(!found.isEmpty)
  }

  private func window(_ step: Int, _ batch: Int, _ row: Int, _ shape: BatchShape) -> Int {
    (((step - 1) * shape.accumulation + batch) * shape.windows + row) % 40
  }

  private func run(_ session: Session, _ settings: TrainingSettings) -> Figures {
    var figures = Figures()
    let shape = settings.shape
    for number in 1...steps {
      session.beginStep(
        learningRate: settings.schedule.rate(step: number), optimizer: settings.optimizer,
        step: number, scoredTokens: shape.tokensPerStep)
      for batch in 0..<shape.accumulation {
        for row in 0..<shape.windows {
          session.fill(row: row, from: text, window: window(number, batch, row, shape))
        }
        figures.losses.append(session.runMicroBatch())
      }
      figures.norms.append(session.finishStep())
    }
    figures.score = session.score()
    return figures
  }

  /// The same with nothing but the file and the checkpoint's bytes.
  private func run(
    _ file: [UInt8], _ fixture: TrainingFixture
  ) throws -> Figures {
    let step = try OpenedStep(
      file, checkpoint: try fixture.folder.read("model.sfckpt"),
      instructionSet: fixture.kernels.instructionSet)
    var figures = Figures()
    let settings = step.settings
    let shape = BatchShape(
      windows: Int(settings.windows), tokens: Int(settings.tokens),
      accumulation: Int(settings.accumulation))
    for number in 1...steps {
      sft_step_begin(
        step.handle, Int64(number), step.rate(Int64(number)), Int64(shape.tokensPerStep))
      for batch in 0..<shape.accumulation {
        for row in 0..<shape.windows {
          text.fill(
            window: window(number, batch, row, shape), inputs: step.row("tokens", row, shape),
            targets: step.row("targets", row, shape),
            documentStarts: step.row("document_starts", row, shape))
        }
        figures.losses.append(sft_step_run_batch(step.handle))
      }
      figures.norms.append(sft_step_finish(step.handle))
    }
    figures.score = sft_step_score(step.handle)
    return figures
  }

  // MARK: files that are not right

  private func smallFile() throws -> (bytes: [UInt8], fixture: TrainingFixture) {
    let fixture = try TrainingFixture(
      TinyModel.configuration(layers: 2), instructionSet: "reference")
    let settings = TrainingFixture.settings(steps: 2, windows: 1)
    let step = try fixture.step(fixture.adaptation(.headRows), settings)
    return (try BundleFile(step, settings, fixture.checkpoint).bytes(), fixture)
  }

  @Test func everyChangedByteIsSeen() throws {
    let (bytes, _) = try smallFile()
    for index in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 400)) {
      var changed = bytes
      changed[index] ^= 0x10
      #expect(OpenedBundle(changed).problem != nil, "byte \(index)")
    }
    #expect(OpenedBundle(Array(bytes.dropLast())).problem != nil)
    #expect(OpenedBundle([]).problem != nil)
    #expect(OpenedBundle(bytes).problem == nil)
  }

  /// Ten thousand files with numbers changed and hashed anew: an error each, or a step that stays
  /// within its memory, as sanitizers see it.
  @Test func changedFilesDoNoHarm() throws {
    let (bytes, fixture) = try smallFile()
    try fixture.folder.write(bytes, to: "bundle")
    let tokens = TokenFile.bytes(
      for: bytes, text: text, validation: text,
      vocabularySize: fixture.checkpoint.configuration.vocabularySize)
    try fixture.folder.write(tokens, to: "text")
    let root = SharedData.packageRoot
    let script = """
      exec 2>&1; set -e; cd '\(fixture.folder.path)'
      kernels='\(root)/Sources/CKernels'; runtime='\(root)/Sources/CRuntime'
      flags="-std=c11 -DSFT_BASELINE_ONLY -w"
      checks='-O1 -fsanitize=address,undefined -fno-sanitize-recover=all'
      clang $flags -O0 -I"$kernels/include" -c "$kernels/tuned/portable.c"
      clang $flags $checks -I"$kernels/include" -I"$runtime/include" \
        "$kernels"/*.c "$kernels"/reference/*.c "$runtime"/*.c portable.o \
        '\(root)/Tests/TrainingTests/Bundles/mutate.c' -o mutate -lm -lpthread -fuse-ld=lld
      timeout 200 ./mutate bundle model.sfckpt text 10000
      """
    let stream = try #require(popen(script, "re"))
    var output: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 4096)
    while case let count = fread(&block, 1, block.count, stream), count > 0 {
      output += block[..<count]
    }
    let text = String(decoding: output, as: UTF8.self)
    #expect(pclose(stream) == 0, "\(text)")
    let counts = text.split(whereSeparator: { !$0.isNumber }).suffix(3).compactMap { Int($0) }
    try #require(counts.count == 3, "\(text)")
    #expect(counts[0] + counts[1] == 10_000 && counts[0] > 5_000 && counts[2] > 0, "\(text)")
  }

  @Test func anotherCheckpointIsRefused() throws {
    let (bytes, fixture) = try smallFile()
    let other = try TrainingFixture(TinyModel.configuration(layers: 2), scale: 0.1)
    #expect(throws: OpenedStep.Problem.self) {
      try OpenedStep(
        bytes, checkpoint: try other.folder.read("model.sfckpt"), instructionSet: "reference")
    }
    var damaged = try fixture.folder.read("model.sfckpt")
    damaged[damaged.count - 1] ^= 1
    #expect(throws: OpenedStep.Problem.self) {
      try OpenedStep(bytes, checkpoint: damaged, instructionSet: "reference")
    }
  }
}

/// A bundle that the executor in C has opened.
final class OpenedBundle {
  let memory: UnsafeMutableRawBufferPointer
  private(set) var handle: OpaquePointer?
  /// What is wrong with it.
  private(set) var problem: String?

  init(_ bytes: [UInt8]) {
    memory = .allocate(byteCount: max(1, bytes.count), alignment: 64)
    memory.copyBytes(from: bytes)
    var error = sft_error()
    let status = memory.baseAddress.map { start in
      sft_bundle_open(start, Int64(bytes.count), &handle, &error)
    }
    guard status != SFT_OK else { return }
    problem = withUnsafeBytes(of: error.text) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  deinit {
    sft_bundle_close(handle)
    memory.deallocate()
  }
}

/// A bundle's step with an arena and two threads of its own.
final class OpenedStep {
  struct Problem: Error { let text: String }

  let handle: OpaquePointer
  private let bundle: OpenedBundle
  private let checkpoint: UnsafeMutableRawBufferPointer
  private let arena: UnsafeMutableRawBufferPointer
  private let pool: OpaquePointer

  init(_ bytes: [UInt8], checkpoint file: [UInt8], instructionSet: String) throws {
    let bundle = OpenedBundle(bytes)
    guard let opened = bundle.handle else { throw Problem(text: bundle.problem ?? "") }
    let threads: Int64 = 2
    var (pool, step): (OpaquePointer?, OpaquePointer?)
    var error = sft_error()
    sft_pool_open(threads, &pool, &error)
    guard let pool else { throw Problem(text: "no threads") }
    checkpoint = .allocate(byteCount: file.count, alignment: 64)
    checkpoint.copyBytes(from: file)
    arena = .allocate(
      byteCount: Int(sft_bundle_arena_bytes(opened, threads)), alignment: 64)
    arena.initializeMemory(as: UInt8.self, repeating: 0)
    let isa = (0..<SFT_ISA_COUNT.rawValue).map(sft_isa.init(rawValue:)).first {
      String(cString: sft_isa_name($0)) == instructionSet
    }
    if let start = checkpoint.baseAddress, let memory = arena.baseAddress, let isa {
      sft_step_open(opened, start, Int64(file.count), pool, isa, memory, &step, &error)
    }
    guard let step else {
      sft_pool_close(pool)
      checkpoint.deallocate()
      arena.deallocate()
      throw Problem(text: "no step")
    }
    (handle, self.pool, self.bundle) = (step, pool, bundle)
  }

  deinit {
    sft_step_close(handle)
    sft_pool_close(pool)
    checkpoint.deallocate()
    arena.deallocate()
  }

  var settings: sft_settings {
    bundle.handle.map { sft_bundle_settings($0).pointee } ?? sft_settings()
  }

  func rate(_ step: Int64) -> Double {
    withUnsafePointer(to: settings) { sft_rate($0, step) }
  }

  /// A row of a port, which the frozen blocks have where the step has not.
  func row(_ port: String, _ row: Int, _ shape: BatchShape) -> UnsafeMutableBufferPointer<Int32> {
    var count: Int64 = 0
    let memory =
      sft_step_port(handle, SFT_TRAINING, port, &count)
      ?? sft_step_port(handle, SFT_PREFIX, port, &count)
    let start = memory?.assumingMemoryBound(to: Int32.self)
    return UnsafeMutableBufferPointer(
      start: start.map { $0 + row * shape.tokens }, count: shape.tokens)
  }
}
