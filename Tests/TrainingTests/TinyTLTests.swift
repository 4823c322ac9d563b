import Adaptations
import Checkpoints
import Tensors
import TestSupport
import Testing
import Training

/// Hidden units beside the weights, and merged into wider MLPs.
@Suite struct TinyTLTests {
  /// What was trained, the delta beside the base, and the merged checkpoint, which is a plain model
  /// with wider MLPs, score a text the same. Observed: 5e-8 in f32.
  @Test(arguments: [ElementType.f32, .bf16, .int8])
  func mergedAndUnmergedAreTheSameModel(_ elementType: ElementType) throws {
    let fixture = try TrainingFixture(elementType: elementType)
    let text = TrainingFixture.text(windows: 3)
    let (delta, record) = try fixture.trainedDelta(
      fixture.adaptation(.tinyTL), steps: 3, validation: text)
    #expect(
      delta.entries.filter { $0.encoding == .hiddenUnits }.map(\.name) == ["layers[1].mlp"])
    let trained = try #require(record.validations.last)
    let beside = try fixture.loss(of: text, deltas: [delta])
    #expect(abs(beside / trained - 1) < 1e-6)

    let path = fixture.folder["merged.sfckpt"]
    try Delta.apply(to: fixture.checkpoint, deltas: [(delta, 1)], output: path)
    let merged = try Checkpoint.open(path)
    #expect(merged.configuration.hiddenWidth == fixture.configuration.hiddenWidth + 3)
    #expect(merged.configuration.mlpBias && merged.configuration.attentionBias)
    for kind in [LinearKind.gate, .up, .down] {
      let (found, own) = (
        try #require(merged.tensor(kind.path(layer: 0))),
        try #require(fixture.checkpoint.tensor(kind.path(layer: 0)))
      )
      #expect(found.elementType == own.elementType)
      let rest = kind == .down ? found.rowWidth - own.rowWidth : found.rowCount - own.rowCount
      #expect(rest == 3 && found.widened().reduce(0, +) == own.widened().reduce(0, +))
    }
    let after = try fixture.loss(of: merged, text: text)
    #expect(abs(after / trained - 1) < 1e-6)
    // Without units it is another model: their share is what the comparison is about.
    let without = try fixture.loss(of: text)
    #expect(abs(without / trained - 1) > 1e-4)
  }

  /// Scaled and summed, units of two deltas stand side by side.
  @Test func deltasAddUp() throws {
    let fixture = try TrainingFixture()
    let deltas = try (0..<2).map { index in
      try fixture.trainedDelta(
        fixture.adaptation(.tinyTL), steps: 2 + index, run: "run\(index)"
      ).delta
    }
    let (first, second) = (deltas[0], deltas[1])
    let path = fixture.folder["merged.sfckpt"]
    let scaled = [(delta: first, scale: 0.5), (delta: second, scale: 2)]
    try Delta.apply(to: fixture.checkpoint, deltas: scaled, output: path)
    let merged = try Checkpoint.open(path)
    #expect(merged.configuration.hiddenWidth == fixture.configuration.hiddenWidth + 6)
    let down = try #require(merged.tensor("layers[1].mlp.down")).widened()
    let width = merged.configuration.hiddenWidth
    func units(_ delta: Delta) throws -> [Float] {
      try #require(delta.entries.first { $0.encoding == .hiddenUnits }).tensors[2].widened()
    }
    let (a, b) = (try units(first), try units(second))
    for row in 0..<merged.configuration.width {
      for unit in 0..<3 {
        #expect(down[row * width + width - 6 + unit] == 0.5 * a[row * 3 + unit])
        #expect(down[row * width + width - 3 + unit] == 2 * b[row * 3 + unit])
      }
    }
  }

  /// In another element type the units stay as they are, and the delta the same change.
  @Test func unitsAreKeptWhenADeltaIsWrittenAgain() throws {
    let fixture = try TrainingFixture()
    let delta = try fixture.trainedDelta(fixture.adaptation(.tinyTL), steps: 2).delta
    let path = fixture.folder["again.sfdelta"]
    try DeltaWriter.convert(delta, base: fixture.checkpoint, elementType: .bf16, to: path)
    let again = try Delta.open(path)
    #expect(again.identity == delta.identity)
    for (new, old) in zip(again.entries, delta.entries) where old.encoding == .hiddenUnits {
      #expect(new.tensors.map { $0.widened() } == old.tensors.map { $0.widened() })
    }
  }
}
