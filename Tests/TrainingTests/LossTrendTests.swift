import Adaptations
import Records
import Tensors
import TestSupport
import Testing
import Training

/// A loss that rises after it had fallen is told, once; the scatter of batches is not.
@Suite struct LossTrendTests {
  private func rises(_ losses: [Double], warmup: Int = 0) -> [(step: Int, rise: LossTrend.Rise)] {
    var trend = LossTrend()
    return losses.enumerated().compactMap { index, loss in
      trend.add(loss, step: index + 1, isWarm: index + 1 > warmup).map { (index + 1, $0) }
    }
  }

  @Test func aRiseIsToldOnce() throws {
    let falling: [Double] = (0..<30).map { 3 - 0.03 * Double($0) }
    let rising: [Double] = (0..<60).map { 2.1 + 0.02 * Double($0) }
    let losses = falling + rising
    let found = rises(losses)
    let rise = try #require(found.first)
    #expect(found.count == 1)
    #expect((35...60).contains(rise.step) && rise.rise.now > 1.05 * rise.rise.lowest)
    #expect((28...40).contains(rise.rise.step))
    #expect(rises(losses, warmup: 90).isEmpty)
  }

  @Test func scatterIsNone() {
    var random = RandomSource(seed: 11)
    for spread in [0.01, 0.3] {
      let flat: [Double] = (0..<2000).map { _ in 2 + spread * random.normal() }
      let count = rises(flat).count
      #expect(count == 0, "spread \(spread)")
    }
    let slow: [Double] = (0..<300).map { 2 + 1 / Double($0 + 1) }
    #expect(rises(slow).isEmpty)
  }

  @Test func aRunSaysItInAWarning() throws {
    let fixture = try TrainingFixture()
    let settings = TrainingFixture.settings(steps: 60, learningRate: 3)
    let record = try fixture.train(FullAdaptation(), settings)
    let told = tells(record)
    #expect(told)
    let calm = try fixture.train(
      FullAdaptation(), TrainingFixture.settings(steps: 60, learningRate: 1e-3))
    let toldCalm = tells(calm)
    #expect(!toldCalm)
  }

  private func tells(_ record: RunRecord) -> Bool {
    record.events.contains {
      if case .warning(let text) = $0 { text.contains("the loss rises") } else { false }
    }
  }
}
