import Checkpoints
import Records
import Runs
import Tensors
import TestSupport
import Testing

@testable import Audits

@Suite struct SpanTestTests {
  private static let poem = """
    The old mill stands beside the river where the children used to play in summer. Nobody has \
    opened its heavy door since the miller went away, and the wheel is green with moss.
    """
  private static let letter = """
    Dear Mary, yesterday we sold both horses and half of our hay. Father says that we must leave \
    before winter comes, so please write to my new address in the city as soon as you can.
    """

  /// Trains the shipped model on a short text by plain gradient descent, and searches for its tokens.
  private func search(
    method: String, dtype: ElementType? = nil, steps: Int = 1, text: String = poem,
    sequenceLength: Int = 16, isRelative: Bool = false
  ) throws -> SpanRecord {
    let fixture = try AuditFixture()
    try fixture.folder.write(Self.poem, to: "train.txt")
    try fixture.folder.write(text, to: "read.txt")
    try fixture.folder.write(Self.letter, to: "heldout.txt")
    var delta = try fixture.train(
      model: AuditFixture.shippedModel, on: "read.txt", method: method,
      optimizer: AuditFixture.sgd, length: "\"steps\": \(steps)", sequenceLength: sequenceLength,
      batch: 2)
    if let dtype {
      let stored = fixture.folder["stored.sfdelta"]
      try DeltaWriter.convert(
        try Delta.open(delta), base: try Checkpoint.open(AuditFixture.shippedModel),
        elementType: dtype, to: stored)
      delta = stored
    }
    if isRelative {
      let (stored, base) = (
        fixture.folder["relative.sfdelta"], try Checkpoint.open(AuditFixture.shippedModel)
      )
      try DeltaWriter.writeDifference(
        of: try Delta.open(delta), from: try DeltaMerge(base: base, deltas: []), elementType: .f32,
        to: stored)
      delta = stored
    }
    let record = try fixture.audit(delta, model: AuditFixture.shippedModel).run()
    // Texts of two windows are too short for anything else.
    #expect(record.membership == nil)
    #expect(record.leaks == (record.span.search?.leaks ?? false))
    return record.span
  }

  @Test func oneStepOfPlainDescentIsRead() throws {
    let span = try search(
      method:
        #"{"type": "sparse", "tensors": {"layers[0].attention.query": 1.0, "layers[0].attention.value": 1.0}}"#
    )
    let search = try #require(span.search, "\(span)")
    #expect(search.leaks && search.length == 1, "\(span.text)")
    #expect(try #require(search.precision) >= 0.95, "\(span.text)")
    #expect(try #require(search.recall) >= 0.9, "\(span.text)")
    #expect(try #require(search.controlPrecision) < 0.6, "\(span.text)")
  }

  /// Fewer rows than the input is wide bound the rank, more than the text's tokens are enough.
  @Test func rowSharesAndSeveralStepsAreRead() throws {
    let span = try search(
      method: #"{"type": "sparse", "tensors": {"layers[0].attention.value": 0.75}}"#, steps: 2)
    let search = try #require(span.search, "\(span)")
    #expect(span.places[0].bound == 96)
    #expect(try #require(search.precision) >= 0.95, "\(span.text)")
    #expect(try #require(search.recall) >= 0.9, "\(span.text)")
  }

  /// Rounding moves all vectors a little, and the right ones stay the nearest.
  @Test(arguments: [ElementType.bf16, .int8])
  func roundedDifferencesAreRead(_ type: ElementType) throws {
    let span = try search(
      method: #"{"type": "sparse", "tensors": {"layers[0].attention.value": 1.0}}"#, dtype: type)
    let search = try #require(span.search, "\(span)")
    #expect(search.leaks, "\(span.text)")
    #expect(try #require(search.nearestPrecision) >= 0.85, "\(span.text)")
  }

  /// What is exact about a difference in f32 is not the difference: the trained weights are rounded.
  @Test func exactDifferencesAreRead() throws {
    let span = try search(
      method: #"{"type": "sparse", "tensors": {"layers[0].attention.value": 1.0}}"#,
      isRelative: true)
    let search = try #require(span.search, "\(span)")
    #expect(search.leaks, "\(span.text)")
    #expect(try #require(search.precision) >= 0.95, "\(span.text)")
    #expect(try #require(search.recall) >= 0.9, "\(span.text)")
  }

  /// A delta of another text has that text's tokens, and not this one's.
  @Test func anotherTextsDeltaIsNoLeak() throws {
    let other = "Pirates buried seven golden crowns under this palm tree; nobody found them again."
    let span = try search(
      method: #"{"type": "sparse", "tensors": {"layers[0].attention.value": 1.0}}"#, text: other)
    let search = try #require(span.search, "\(span)")
    #expect(search.found > 10 && !search.leaks, "\(span.text)")
  }

  /// AdamW divides each element by a size of its own, which leaves no span.
  @Test func adamIsNotApplicable() throws {
    let fixture = try AuditFixture()
    let delta = try fixture.train(
      on: "train.txt",
      method: #"{"type": "sparse", "tensors": {"layers[0].attention.value": 1.0}}"#,
      optimizer: #"{ "type": "adamw", "learning_rate": 1e-3 }"#, length: "\"steps\": 2",
      sequenceLength: 16, batch: 1)
    let record = try fixture.audit(delta).run()
    #expect(record.span.search == nil && record.span.places.count == 1)
    #expect(record.span.text.hasPrefix("not applicable"))
  }

  /// Frozen blocks below the trained matrix hide nothing: the base computes what it has read.
  @Test func beginningsAreGrownThroughFrozenBlocks() throws {
    let fixture = try AuditFixture()
    let delta = try fixture.train(
      on: "train.txt",
      method: #"{"type": "sparse", "tensors": {"layers[2].mlp.gate": 1.0}}"#,
      optimizer: AuditFixture.sgd, length: "\"steps\": 1", sequenceLength: 8, batch: 2)
    let base = try LoadedModel(fixture.folder["tiny.sfckpt"], threads: 1, precision: .f32)
    let opened = try Delta.open(delta)
    let texts = AuditTexts(
      recorded: RecordedRecipe(delta: opened), base: base, sequenceLength: 8, separator: nil,
      cacheFolder: fixture.folder["cache"])
    // One step of two windows has read no more.
    let train = TextWindows(
      try texts.train([fixture.folder["train.txt"]]).train, sequenceLength: 8, windows: [0, 1])
    let heldOut = TextWindows(
      try texts.heldOut([fixture.folder["heldout.txt"]]).train, sequenceLength: 8, windows: [0, 1])
    let record = try SpanTest(base: base, train: train, heldOut: heldOut, prefixLength: 3)
      .run(opened)
    let search = try #require(record.search, "\(record)")
    #expect(search.length == 3 && search.leaks, "\(record.text)")
    #expect(try #require(search.precision) >= 0.95, "\(record.text)")
    #expect(try #require(search.recall) >= 0.9, "\(record.text)")
  }
}
