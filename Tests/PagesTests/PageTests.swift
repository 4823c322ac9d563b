import Records
import Reports
import Storage
import Tensors
import TestSupport
import Testing

@testable import Pages

#if canImport(Glibc)
  import Glibc
#endif

/// Pages of made-up runs.
@Suite struct PageTests {
  static func history(_ events: [RunEvent]) -> RunHistory {
    var history = RunHistory()
    for event in events { history.add(event) }
    return history
  }

  /// Whatever a run can write, its page is whole, safe, small, and says what its drawings show.
  @Test func anyStreamBecomesAPage() {
    for seed in 0..<50 as Range<UInt64> {
      var streams = EventStreams(seed: seed)
      var random = RandomSource(seed: seed)
      var files = RunFiles(name: seed % 5 == 0 ? "<b>&\"'" : "run")
      if seed % 4 != 0 { files.own = Self.history(streams.run(isOrdered: seed % 2 == 0)) }
      let labels = [
        "auto", "lora r8", "<i>", "a label that is much too long to stand beside a line",
      ]
      for label in labels.prefix(random.integer(below: 5)) {
        for memberSeed in 0..<random.integer(below: 4) {
          files.members.append(
            .init(
              label: label, seed: memberSeed, history: Self.history(streams.run(isOrdered: true))))
        }
      }
      if seed % 3 == 0 { files.comparison = streams.comparison(labels: labels) }
      if seed % 3 == 1 { files.analysis = streams.analysis }
      if seed % 2 == 1 { files.recipe = ["model": "</pre><script>", "seed": 1] }
      // As they come back from a file: what is not finite is null there.
      let page = PageChecker(RunPage(files).html)
      #expect(page.problems == [], "seed \(seed)")
    }
  }

  /// The same after writing and reading, as a page is made of files.
  @Test func anyFileBecomesAPage() throws {
    for seed in 200..<210 as Range<UInt64> {
      var streams = EventStreams(seed: seed)
      let folder = try TemporaryFolder()
      for name in ["", "compare/0-lora-r8-0/", "compare/1-norms-0/"] {
        let lines = streams.run(isOrdered: false).map { $0.json.encoded() }
        try folder.write(
          Array((lines.joined(separator: "\n") + "\nhalf a li").utf8), to: name + "events.jsonl")
      }
      var comparison = streams.comparison(labels: ["lora r8", "norms"])
      for index in comparison.rows.indices { comparison.rows[index].seed = 0 }
      try comparison.write(to: folder["compare.json"])
      try streams.analysis.write(to: folder["contributions.json"])
      let files = try RunFiles(folder: folder.path)
      #expect(files.members.map(\.label).sorted() == ["lora r8", "norms"])
      #expect(PageChecker(RunPage(files).html).problems == [], "seed \(seed)")
      // And a screen of any size.
      guard let run = files.own else { continue }
      for width in [0, 9, 20, 79, 200] {
        for height in [1, 5, 24, 60] {
          let lines = WatchScreen(run, isAlive: seed % 2 == 0, width: width, height: height).lines
          #expect(lines.count <= max(3, height))
          #expect(lines.allSatisfy { displayWidth($0) <= max(10, width) }, "\(lines)")
        }
      }
    }
  }

  /// An audit with figures at the edges of what they can be, and one in which nothing was tried.
  @Test func auditsBecomePages() {
    var record = AuditRecord(
      delta: "</title><script>", base: "\u{202E}", method: "<i>", sequenceLength: .max,
      trainWindows: -1, heldOutWindows: .min)
    let empty = PageChecker(AuditPage(record).html)
    #expect(empty.problems == [] && empty.count("svg") == 0)
    record.verdict = ["<script>alert(1)</script>"]
    record.span.places = [
      .init(
        tensors: ["<b>"], rows: .max, columns: 0, rank: 0, bound: -1, gap: nil, isApplicable: true)
    ]
    record.span.search = .init(
      length: 1, found: 0, real: 0, hits: 3, controlHits: .max, nearest: 1, nearestHits: 9,
      nearestControlHits: 0, threshold: .nan)
    record.membership = MembershipRecord(
      members: 1, nonMembers: 2,
      measures: [.nan, -1, 7, .infinity].map {
        .init(
          name: "&<\($0)", members: 1, nonMembers: 1, area: $0, low: $0, high: $0,
          truePositiveRate: $0)
      })
    record.extraction = ExtractionRecord(
      prompt: 1, continuation: 1,
      rows: [
        .init(
          hasDelta: true, isTrained: false, windows: .max, greedy: -1,
          sampled: [.init(samples: .max, windows: 0)]),
        .init(hasDelta: false, isTrained: true, windows: 0, greedy: 0, sampled: []),
      ])
    record.exposure = ExposureRecord(
      candidates: 0, rows: [.init(shadow: 1, repeats: .max, rank: 0, bits: .nan)])
    let page = PageChecker(AuditPage(record).html)
    #expect(page.problems == [] && page.count("svg") == 1)
  }

  @Test func textIsEscaped() {
    let evil = "</title></style><script>alert('1') & \"2\"</script>\u{202E}\u{1B}"
    var files = RunFiles(name: evil)
    files.own = Self.history([
      .start(
        RunDescription(
          model: evil, method: evil, label: evil, choice: evil, trainableParameters: 1,
          totalParameters: 2, steps: 3, threads: 1, instructionSet: evil, precision: evil,
          version: evil, learningRate: 0.1)),
      .warning(evil), .sample(step: 0, prompt: evil, text: evil),
    ])
    files.recipe = ["prompt": .string(evil)]
    let html = RunPage(files).html
    #expect(!html.contains("<script") && !html.contains("alert('1')"))
    #expect(
      html.contains(
        "&lt;script&gt;alert(&#39;1&#39;) &amp; &quot;2&quot;&lt;/script&gt;\u{FFFD}\u{FFFD}"))
    #expect(PageChecker(html).problems == [])
  }

  /// A run of a hundred thousand steps with a gap and one very high loss.
  @Test func longRunsKeepTheirExtremes() throws {
    var events: [RunEvent] = [
      .start(
        RunDescription(
          model: "m", method: "full", label: "full", choice: nil, trainableParameters: 1,
          totalParameters: 2, steps: 100_000, threads: 1, instructionSet: "avx2", precision: "f32",
          version: "1", learningRate: 0.1))
    ]
    for number in 1...100_000 {
      var step = StepReport(step: number)
      step.loss = number == 66_666 ? 77.5 : (50_000..<50_100).contains(number) ? .nan : 3
      (step.seconds, step.tokens) = (0.01, 100)
      events.append(.step(step))
    }
    var files = RunFiles(name: "long")
    files.own = Self.history(events)
    let page = PageChecker(RunPage(files).html)
    #expect(page.problems == [])
    #expect(page.html.utf8.count < 200_000)
    #expect(page.html.contains("×"))
    let series = Series(
      "x", colour: 0, points: try #require(files.own).steps.map { (Double($0.step), $0.loss) }
    ).thinned(to: 160)
    #expect(series.points.count <= 640)
    #expect(series.points.contains { $0.y == 77.5 && $0.x == 66_666 })
    #expect(series.points.contains { !$0.y.isFinite })
    #expect(series.points.first?.x == 1 && series.points.last?.x == 100_000)
  }

  @Test func everyPartIsThere() {
    var streams = EventStreams(seed: 3)
    var files = RunFiles(name: "quickstart")
    var step = StepReport(step: 1)
    (step.loss, step.tokens, step.seconds) = (3, 100, 0.5)
    step.phases = PhaseSeconds(data: 0.1, forward: 0.1, backward: 0.2, update: 0.1)
    (step.residentBytes, step.peakResidentBytes, step.plannedBytes) = (90, 95, 100)
    var forecast = MemoryForecast()
    (forecast.weights, forecast.activations) = (10, 90)
    var schedule = MemorySchedule(
      positions: 4, arenaBytes: 128, persistentBytes: 0,
      peak: .init(position: 2, bytes: 128, kernel: "linear"))
    schedule.buffers = [
      .init(name: "x", kind: "activation", offset: 0, byteCount: 64, first: 0, last: 2)
    ]
    schedule.live = [64, 64, 128, 0]
    var analysis = AnalysisRecord()
    var tensor = AnalysisRecord.Tensor(name: "layers[1].mlp.up")
    (tensor.isMeasured, tensor.gain, tensor.score) = (true, 0.5, 0.5)
    analysis.tensors = [tensor, .init(name: "layers[0].mlp.up")]
    analysis.scheme = ["layers[1].mlp.up": 0.5]
    analysis.noise = 0.01
    var candidate = AnalysisRecord.Candidate(label: "the last block")
    candidate.rounds = [.init(steps: 8, loss: 4), .init(steps: 16, loss: 3)]
    analysis.candidates = [candidate]
    files.own = Self.history([
      .start(
        RunDescription(
          model: "m", method: "full", label: "auto", choice: nil, trainableParameters: 1,
          totalParameters: 2, steps: 1, threads: 1, instructionSet: "avx2", precision: "f32",
          version: "1", learningRate: 0.1)),
      .plan(forecast, flopsPerToken: 1, fullFlopsPerToken: 2), .memory(schedule),
      .analysis(.contributions(analysis)), .sample(step: 0, prompt: "Once", text: " upon"),
      .validation(step: 0, loss: 4, best: true), .step(step),
      .profile(
        KernelTimes([.init(phase: "forward", name: "linear", calls: 2, seconds: 1, flops: 9)])),
    ])
    files.analysis = analysis
    files.comparison = streams.comparison(labels: ["auto", "lora r8"])
    files.recipe = ["seed": 1]
    let html = RunPage(files).html
    for id in [
      "comparison", "loss", "resources", "contributions", "plan", "time", "samples", "recipe",
      "machine",
    ] {
      #expect(html.contains("<section id=\"\(id)\""), "\(id)")
    }
    // The cut stands between block 1, which trains, and block 0.
    #expect(html.contains("class=\"cut\""))
    #expect(html.contains("block 1, up: 0.5000 nats; trains 50.0 %"))
    #expect(PageChecker(html).problems == [])
    #expect(RunPage.isPage(UnsafeRawBufferPointer(start: nil, count: 0)) == false)
    Array(html.utf8).withUnsafeBytes { #expect(RunPage.isPage($0)) }
  }

  /// A page of records that only their owner may read is only for their owner.
  @Test func pagesOfPrivateRunsArePrivate() throws {
    let folder = try TemporaryFolder()
    var streams = EventStreams(seed: 1)
    let lines = streams.run(isOrdered: true).map { $0.json.encoded() + "\n" }
    let path = try folder.write(Array(lines.joined().utf8), to: "run/events.jsonl")
    try RunPage.write(in: folder["run"], to: folder["open.html"])
    #expect(!Folder.isPrivate(folder["open.html"]))
    chmod(path, 0o600)
    try RunPage.write(in: folder["run"], to: folder["closed.html"])
    #expect(Folder.isPrivate(folder["closed.html"]))
  }

  @Test func foldersWithoutARunAreRefused() throws {
    let folder = try TemporaryFolder()
    #expect(throws: RunFilesError.self) { try RunFiles(folder: folder.path) }
    try folder.write(Array("not an event\n".utf8), to: "events.jsonl")
    #expect(throws: RunFilesError.self) { try RunFiles(folder: folder.path) }
  }
}
