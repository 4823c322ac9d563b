import Adaptations
import Records
import Storage
import TestSupport
import Testing
import Training

/// The event stream as scripts know it: order, and the keys of the contract.
@Suite struct RunEventTests {
  @Test func eventsComeInOrder() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 6, validateEvery: 2, saveEvery: 3)
    let record = try fixture.train(
      FullAdaptation(), settings, validation: TrainingFixture.text(windows: 3),
      store: try fixture.store("run"))
    #expect(
      record.timeline == [
        "validation 0", "step 1", "step 2", "validation 2 best", "snapshot 2 best", "step 3",
        "snapshot 3 last", "step 4", "validation 4 best", "snapshot 4 best", "step 5", "step 6",
        "validation 6 best", "snapshot 6 best", "snapshot 6 last",
      ])
  }

  @Test func stepsReportConsistentFigures() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 4, accumulation: 2)
    let record = try fixture.train(FullAdaptation(), settings)
    for (index, step) in record.steps.enumerated() {
      #expect(step.step == index + 1)
      #expect(step.tokens == settings.shape.tokensPerStep)
      #expect(step.learningRate == settings.schedule.rate(step: index + 1))
      #expect(step.gradientNorm > 0)
      #expect(step.epoch == Double(8 * (index + 1)) / 16)
      #expect(step.tokensPerSecond == Double(step.tokens) / step.seconds)
      let phases = step.phases
      #expect(phases.forward > 0 && phases.backward > 0 && phases.update > 0)
      let sum = phases.data + phases.forward + phases.backward + phases.update
      #expect(sum <= step.seconds && step.seconds <= step.elapsedSeconds)
      #expect(step.plannedBytes == 1000)
      #expect(step.residentBytes > 0 && step.residentBytes <= step.peakResidentBytes)
    }
    #expect(record.steps.last?.etaSeconds == 0)
    #expect(record.summary.tokens == 4 * settings.shape.tokensPerStep)
    #expect(record.summary.tokensPerSecond > 0)
  }

  /// Keys by type, as the contract lists them.
  private static let contract: [String: [String]] = [
    "start": [
      "model", "method", "trainable_parameters", "total_parameters", "threads", "instruction_set",
      "precision", "version",
    ],
    "plan": ["planned_bytes", "flops_per_token", "full_flops_per_token"],
    "step": [
      "step", "epoch", "loss", "learning_rate", "grad_norm", "tokens", "tokens_per_second",
      "step_seconds", "phase_seconds", "rss_bytes", "peak_rss_bytes", "planned_bytes",
      "elapsed_seconds", "eta_seconds",
    ],
    "validation": ["step", "loss", "perplexity", "best"],
    "snapshot": [],
    "warning": [],
    "sample": [],
    "done": [
      "steps", "tokens", "initial_validation_loss", "final_validation_loss",
      "best_validation_loss", "tokens_per_second", "peak_rss_bytes", "planned_bytes", "seconds",
      "reason",
    ],
  ]

  @Test func jsonHasTheKeysOfTheContract() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 2)
    let record = try fixture.train(
      FullAdaptation(), settings, validation: TrainingFixture.text(windows: 3),
      store: try fixture.store("run"))
    let run = RunDescription(
      model: "m.sfckpt", method: "full", label: "full", choice: nil, trainableParameters: 1,
      totalParameters: 2, steps: 2, threads: 2, instructionSet: "avx2", precision: "f32",
      version: "1", learningRate: 0.1)
    let forecast = MemoryForecast(record.session.step, threads: 2, runtimeBytes: 1)
    let events =
      [
        .start(run), .plan(forecast, flopsPerToken: 1, fullFlopsPerToken: 2), .warning("w"),
        .sample(step: 0, prompt: "p", text: "t"), .done(record.summary),
      ] + record.events
    var seen = Set<String>()
    for event in events {
      let json = event.json
      let type = try #require(json["type"]?.string)
      seen.insert(type)
      for key in try #require(Self.contract[type]) {
        let value = try #require(json[key], "\(type) lacks \(key)")
        #expect(!value.isNull, "\(type).\(key)")
      }
      // A line of the stream reads back as itself.
      let line = json.encoded()
      #expect(!line.contains("\n"))
      #expect(try JSONValue.decode(line) == json)
    }
    #expect(seen == Set(Self.contract.keys))
    let planned = RunEvent.plan(forecast, flopsPerToken: 1, fullFlopsPerToken: 2)
      .json["planned_bytes"]
    for key in ["weights", "activations", "gradients", "optimizer", "workspace", "total"] {
      #expect(planned?[key]?.int != nil, "planned_bytes lacks \(key)")
    }
    let step = try #require(record.events.first { if case .step = $0 { true } else { false } })
    for key in ["data", "forward", "backward", "update"] {
      #expect(step.json["phase_seconds"]?[key]?.double != nil, "phase_seconds lacks \(key)")
    }
  }

  @Test func summariesReadBack() throws {
    let fixture = try TrainingFixture()
    let summary = try fixture.train(
      FullAdaptation(), TrainingFixture.settings(steps: 2),
      validation: TrainingFixture.text(windows: 3)
    ).summary
    #expect(RunSummary(RunEvent.done(summary).json) == summary)
    #expect(RunSummary([:]).steps == 0)
  }
}
