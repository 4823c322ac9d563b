import Compilation
import Datasets
import Storage
import Tensors
import TestSupport
import Testing
import Training

#if canImport(Glibc)
  import Glibc
#endif

/// What frozen blocks make of a window is computed once, and the figures do not show it.
@Suite struct PrefixCacheTests {
  private static let text = TrainingFixture.text(windows: 16)
  /// 49 targets: four windows and a partial one, in two batches of four rows.
  private static let validation = TokenStream(
    ids: (0..<50).map { Int32($0 * $0 % 19 + 1) }, documentStarts: [0, 20], bytes: 50)

  private static func caches(_ folder: TemporaryFolder) -> (CompiledStep) throws -> [PrefixCache] {
    { step in
      try [text, validation].compactMap {
        try PrefixCache($0, for: step, folder: folder.path, byteLimit: 1 << 20)
      }
    }
  }

  /// Three epochs of four steps, validated before, after every second step and at the end.
  @Test(arguments: FrozenPrefixTests.split, ProductPrecision.plain)
  func cachedRunsAreTheSame(method: FrozenPrefixMethod, precision: ProductPrecision) throws {
    let fixture = try FrozenPrefixTests.fixture()
    let adaptation = method.adaptation(fixture)
    let settings = TrainingFixture.settings(steps: 12, validateEvery: 2, precision: precision)
    let folder = try TemporaryFolder()
    let plain = try fixture.train(
      adaptation, settings, text: Self.text, validation: Self.validation)
    let cached = try fixture.train(
      adaptation, settings, text: Self.text, validation: Self.validation,
      prefixCaches: Self.caches(folder))
    FrozenPrefixTests.expectSame(plain, cached, "\(method), \(precision)")
    let type: ElementType = precision == .f32 ? .f32 : .bf16
    #expect(cached.session.prefixCaches.allSatisfy { $0.elementType == type })
    // Four steps of the first epoch and two batches of the first of seven validations.
    #expect(plain.session.prefixRuns == 12 + 7 * 2)
    #expect(cached.session.prefixRuns == 4 + 2)
    #expect(cached.session.prefixCaches.map(\.storedWindows) == [16, 5])
    #expect(folder.entries == [])
  }

  @Test func accumulationAndEpochsThatDoNotFitBatches() throws {
    let fixture = try FrozenPrefixTests.fixture()
    let adaptation = FrozenPrefixMethod.rowShares.adaptation(fixture)
    let settings = TrainingFixture.settings(steps: 9, windows: 3, accumulation: 2)
    let folder = try TemporaryFolder()
    let plain = try fixture.train(adaptation, settings, text: Self.text)
    let cached = try fixture.train(
      adaptation, settings, text: Self.text, prefixCaches: Self.caches(folder))
    FrozenPrefixTests.expectSame(plain, cached, "accumulation")
    // Micro-batch 6 holds the last window of the first epoch and two that are known.
    #expect(cached.session.prefixRuns == 6)
  }

  /// Sessions one after the other, as contribution analysis trains them.
  @Test func sessionsShareACache() throws {
    let fixture = try FrozenPrefixTests.fixture()
    let adaptation = FrozenPrefixMethod.wholeTensors.adaptation(fixture)
    let settings = TrainingFixture.settings(steps: 4)
    let folder = try TemporaryFolder()
    let step = try fixture.step(adaptation, settings)
    let caches = try Self.caches(folder)(step)
    let runs = try (0..<3).map { _ in
      try fixture.train(adaptation, settings, text: Self.text, prefixCaches: { _ in caches })
    }
    #expect(runs.map(\.session.prefixRuns) == [4, 0, 0])
    FrozenPrefixTests.expectSame(runs[0], runs[2], "shared")
  }

  /// A cache of another text, cut or window length serves nobody else.
  @Test func cachesServeOnlyWhatTheyFit() throws {
    let fixture = try FrozenPrefixTests.fixture()
    let settings = TrainingFixture.settings(steps: 4)
    let folder = try TemporaryFolder()
    let upper = FrozenPrefixMethod.lastLayer.adaptation(fixture)
    let caches = try Self.caches(folder)(
      fixture.step(FrozenPrefixMethod.wholeTensors.adaptation(fixture), settings))
    let other = try fixture.train(upper, settings, text: Self.text, prefixCaches: { _ in caches })
    let copy = try fixture.train(
      FrozenPrefixMethod.wholeTensors.adaptation(fixture), settings,
      text: TrainingFixture.text(windows: 16), prefixCaches: { _ in caches })
    let full = try fixture.train(
      FrozenPrefixMethod.full.adaptation(fixture), settings, prefixCaches: { _ in caches })
    #expect(other.session.prefixRuns == 4 && copy.session.prefixRuns == 4)
    #expect(full.session.prefixRuns == 0)
    #expect(caches.map(\.storedWindows) == [0, 0])
  }

  @Test func aFullDiskGivesTheCacheUp() throws {
    let fixture = try FrozenPrefixTests.fixture()
    let adaptation = FrozenPrefixMethod.lastLayer.adaptation(fixture)
    let settings = TrainingFixture.settings(steps: 12, validateEvery: 4)
    let plain = try fixture.train(
      adaptation, settings, text: Self.text, validation: Self.validation)
    let full = try fixture.train(
      adaptation, settings, text: Self.text, validation: Self.validation,
      prefixCaches: { step in
        let file = ScratchFile(folder: "somewhere", descriptor: open("/dev/full", O_RDWR))
        return [PrefixCache(Self.text, for: step, file: file)]
      })
    FrozenPrefixTests.expectSame(plain, full, "full disk")
    #expect(full.session.prefixRuns == plain.session.prefixRuns)
    let warnings = full.events.compactMap { if case .warning(let text) = $0 { text } else { nil } }
    #expect(
      warnings == [
        "the cache of the frozen blocks in 'somewhere' is given up (No space left on device); "
          + "the run goes on and computes them in every step"
      ])
  }

  /// A file that lost its end, as on a failing disk.
  @Test func unreadableBytesGiveTheCacheUp() throws {
    let fixture = try FrozenPrefixTests.fixture()
    let adaptation = FrozenPrefixMethod.lastLayer.adaptation(fixture)
    let settings = TrainingFixture.settings(steps: 4)
    let folder = try TemporaryFolder()
    let path = try folder.write("", to: "scratch")
    let step = try fixture.step(adaptation, settings)
    let cache = PrefixCache(
      Self.text, for: step,
      file: ScratchFile(folder: folder.path, descriptor: open(path, O_RDWR)))
    let runs = try (0..<2).map { _ in
      defer { truncate(path, 1000) }
      return try fixture.train(
        adaptation, settings, text: Self.text, prefixCaches: { _ in [cache] })
    }
    FrozenPrefixTests.expectSame(runs[0], runs[1], "truncated")
    #expect(runs.map(\.session.prefixRuns) == [4, 4] && cache.storedWindows == 0)
    #expect(runs[1].timeline.filter { $0 == "warning" }.count == 1)
  }

  @Test func limitsAreCheckedBeforeArithmetic() throws {
    let fixture = try FrozenPrefixTests.fixture()
    let settings = TrainingFixture.settings(steps: 1)
    let folder = try TemporaryFolder()
    let step = try fixture.step(FrozenPrefixMethod.lastLayer.adaptation(fixture), settings)
    let bytes = 16 * 4 * TrainingFixture.tokens * 32
    #expect(PrefixCache.byteCount(of: Self.text, for: step) == bytes)
    let narrow = try fixture.step(
      FrozenPrefixMethod.lastLayer.adaptation(fixture),
      TrainingFixture.settings(steps: 1, precision: .bf16))
    #expect(PrefixCache.byteCount(of: Self.text, for: narrow) == bytes / 2)
    func cache(_ limit: Int, _ step: CompiledStep = step) throws -> PrefixCache? {
      try PrefixCache(Self.text, for: step, folder: folder.path, byteLimit: limit)
    }
    #expect(try cache(bytes) != nil)
    #expect(try cache(bytes - 1) == nil)
    #expect(try cache(-1) == nil)
    #expect(
      try cache(.max, fixture.step(FrozenPrefixMethod.full.adaptation(fixture), settings)) == nil)
    let most = Int.max
    func count(_ windows: Int, _ tokens: Int, _ width: Int) -> Int? {
      PrefixCache.byteCount(windows: windows, tokens: tokens, width: width, type: .f32)
    }
    #expect(count(most / 8, 1, 2) == most / 8 * 8)
    #expect(count(most / 8 + 1, 1, 2) == nil)
    #expect(count(1 << 31, 1 << 20, 1 << 20) == nil)
    #expect(count(-1, 1, 1) == nil)
    #expect(throws: StorageError.self) {
      try PrefixCache(
        Self.text, for: step, folder: folder["missing"], byteLimit: bytes)
    }
  }
}

/// What is kept, and who has the first claim on the bytes.
@Suite struct PrefixCachePlanTests {
  @Test func textsAreKeptIfTheirWindowsComeAgain() throws {
    let fixture = try FrozenPrefixTests.fixture()
    let (text, held) = (TrainingFixture.text(windows: 16), TrainingFixture.text(windows: 3))
    let window = 4 * TrainingFixture.tokens * 32
    func bytes(
      steps: Int, validateEvery: Int = 0, windows: Double, held: TokenStream? = held,
      method: FrozenPrefixMethod = .lastLayer
    ) throws -> [Int] {
      let settings = TrainingFixture.settings(steps: steps, validateEvery: validateEvery)
      let step = try fixture.step(method.adaptation(fixture), settings)
      let plan = PrefixCachePlan(
        step, settings: settings, text: text, validationText: held,
        byteLimit: Int(windows * Double(window)))
      let folder = try TemporaryFolder()
      let caches = try plan.caches(step, text: text, validationText: held, folder: folder.path)
      #expect(caches.count == [plan.trainingBytes, plan.validationBytes].filter { $0 > 0 }.count)
      #expect(plan.byteCount == plan.trainingBytes + plan.validationBytes)
      return [plan.trainingBytes / window, plan.validationBytes / window]
    }
    // Four steps are one epoch.
    #expect(try bytes(steps: 4, windows: 100) == [0, 3])
    #expect(try bytes(steps: 5, windows: 100) == [16, 3])
    #expect(try bytes(steps: 5, windows: 100, held: nil) == [16, 0])
    #expect(try bytes(steps: 5, windows: 100, method: .full) == [0, 0])
    #expect(try bytes(steps: 5, windows: 0) == [0, 0])
    // 1.25 epochs and two validations; then five epochs.
    #expect(try bytes(steps: 5, windows: 18) == [0, 3])
    #expect(try bytes(steps: 20, windows: 18) == [16, 0])
    #expect(try bytes(steps: 20, validateEvery: 1, windows: 18) == [0, 3])
    #expect(try bytes(steps: 20, windows: 15.9) == [0, 3])
  }

  @Test func stepsOfTheFirstEpoch() {
    func steps(_ steps: Int, accumulation: Int = 1, windows: Int) -> Int {
      TrainingFixture.settings(steps: steps, accumulation: accumulation)
        .firstEpochSteps(windows: windows)
    }
    #expect(steps(10, windows: 16) == 4 && steps(10, windows: 17) == 5)
    #expect(steps(10, accumulation: 2, windows: 17) == 3)
    #expect(steps(3, windows: 100) == 3)
  }
}
