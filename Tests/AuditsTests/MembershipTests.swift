import Checkpoints
import Records
import Runs
import TestSupport
import Testing

@testable import Audits

@Suite struct MembershipTests {
  private static let full = #"{"type": "full"}"#
  private static let adam = #"{ "type": "adamw", "learning_rate": 1e-2 }"#

  private func delta(_ fixture: AuditFixture, on text: String, epochs: Int) throws -> String {
    try fixture.train(
      on: text, method: Self.full, optimizer: Self.adam, length: "\"epochs\": \(epochs)",
      sequenceLength: 16, batch: 4)
  }

  /// A delta that was trained far too long on the text alarms; shadows and secrets too.
  @Test func overtrainedDeltaAlarms() throws {
    let fixture = try AuditFixture()
    // Half of the held-out text is the shadow's. Were it no longer than its secrets, the shadow would be
    // a poor model of everything, and its losses would hide the members': 0.86 instead of 0.97. Loss and
    // loss - base's are 0.99, the differential score 0.96.
    let audit = try fixture.audit(
      try delta(fixture, on: "train.txt", epochs: 25), heldOut: "long.txt", shadows: 1)
    let price = try audit.price()
    #expect(price.shadowTokens > 0 && price.trainedTokens != nil && price.forwardTokens > 0)
    let record = try audit.run()
    #expect(record.leaks, "\(record.verdict)")
    let membership = try #require(record.membership)
    let areas = Dictionary(
      uniqueKeysWithValues: membership.measures.map { ($0.name, $0.area) })
    #expect(try #require(areas["loss"]) > 0.9, "\(areas)")
    #expect(try #require(areas["loss - base's"]) > 0.9, "\(areas)")
    #expect(try #require(areas["loss - shadows'"]) > 0.9, "\(areas)")
    #expect(try #require(areas["differential score"]) > 0.9, "\(areas)")
    let exposure = try #require(record.exposure)
    #expect(exposure.rows.map(\.repeats) == [1, 4, 16] && exposure.candidates == 64)
    #expect(exposure.rows.allSatisfy { (0...6).contains($0.bits) })
    #expect(AuditRecord(record.json) == record)
  }

  /// Six sequences of which four differ in their last id only: what is read once gives what each whole
  /// sequence has by itself.
  @Test func sequencesThatBeginAlikeAreReadOnce() throws {
    let fixture = try AuditFixture()
    let model = try LoadedModel(fixture.folder["tiny.sfckpt"], threads: 1, precision: .f32)
    let sequences: [[Int32]] = [
      [1, 5, 7, 9], [1, 5, 7, 3], [1, 5, 8, 9], [1, 5, 7, 11], [1, 5, 8, 2, 4], [1, 5, 7, 9, 2],
    ]
    let shared = SharedStems(sequences)
    #expect(
      shared.stems.map(\.sequences) == [[0, 1, 3], [2], [4], [5]] && shared.tokenCount == 16)
    let scorer = try WindowScorer(model, tokens: 4)
    let found = try scorer.logProbabilities(of: sequences, from: 2)
    for (ids, sum) in zip(sequences, found) {
      let window = TextWindows.Window(
        inputs: ids.dropLast() + Array(repeating: 0, count: 5 - ids.count),
        targets: [-1] + ids.dropFirst(2) + Array(repeating: -1, count: 5 - ids.count),
        documentStarts: [0, 0, 0, 0])
      let scores = try #require(try scorer.scores([window])).first?.logProbabilities
      let expected: Double = try #require(scores).reduce(0) { $0 + Double($1) }
      #expect(abs(sum - expected) < 1e-4, "\(ids)")
    }
  }

  /// Full fine-tuning: each matrix forward, backward and its gradient. The last of three blocks: those
  /// below once for all epochs.
  @Test func whatTrainingTook() throws {
    let fixture = try AuditFixture()
    func arithmetic(_ method: String) throws -> TrainingArithmetic {
      TrainingArithmetic(
        of: try Delta.open(
          try fixture.train(
            on: "train.txt", method: method, optimizer: Self.adam, length: "\"steps\": 1",
            sequenceLength: 16, batch: 4)))
    }
    let full = try arithmetic(Self.full)
    #expect(full.below == 0 && abs(full.perToken(epochs: 3) - 3) < 0.1)
    let last = try arithmetic(#"{"type": "last_layers", "count": 1}"#)
    #expect(last.below > 0 && abs(last.below + last.above - full.above) < 1)
    #expect(last.trained < full.trained && last.perToken(epochs: 8) < last.perToken(epochs: 1))
    #expect(last.perToken(epochs: 1) < 3)
  }

  /// Texts that differ for the base explain some of what a measure says: the loss as far as the base
  /// finds members easier, what is relative to the base as far as it finds them harder.
  @Test(arguments: [
    ("loss", 0.5, true), ("loss", 0.7, false), ("loss", 0.3, true), ("loss - base's", 0.3, false),
    ("differential score", 0.3, false), ("loss - base's", 0.7, true),
    ("loss - shadows'", 0.3, true),
  ])
  func textsThatDiffer(_ name: String, base: Double, isShown: Bool) {
    func measure(_ name: String, _ area: Double, isControl: Bool) -> MembershipRecord.Measure {
      .init(
        name: name, members: 100, nonMembers: 100, area: area, low: area - 0.05,
        high: area + 0.05, truePositiveRate: nil, isControl: isControl)
    }
    let told = measure(name, 0.65, isControl: false)
    let record = MembershipRecord(
      members: 100, nonMembers: 100,
      measures: [told, measure("loss of the base", base, isControl: true)])
    #expect(record.shows(told) == isShown)
  }

  /// A delta that never saw the text tells nothing about it.
  @Test func anotherTextsDeltaIsAtChance() throws {
    let fixture = try AuditFixture()
    let record = try fixture.audit(
      try delta(fixture, on: "other.txt", epochs: 25)
    ).run()
    #expect(!record.leaks, "\(record.verdict)")
    let membership = try #require(record.membership)
    for measure in membership.measures {
      #expect(measure.low < 0.55 && measure.high > 0.45, "\(measure)")
    }
    let extraction = try #require(record.extraction)
    #expect(extraction.rows.count == 4 && extraction.prompt == 8)
  }
}
