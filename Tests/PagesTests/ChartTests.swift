import Testing

@testable import Pages

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct ChartTests {
  @Test func ticksAreRound() {
    #expect(Scale([0, 10], from: 0, to: 1).ticks(5) == [0, 2, 4, 6, 8, 10])
    #expect(
      Scale([0, 100 * 1024], from: 0, to: 1).ticks(5, .bytes).map { $0 / 1024 } == [0, 32, 64, 96])
    #expect(Scale([0, 100], from: 0, to: 1).ticks(4, .seconds) == [0, 30, 60, 90])
    #expect(Scale([0, 3], from: 0, to: 1).ticks(9, .count) == [0, 1, 2, 3])
    let logarithmic = Scale([0.5, 5000], from: 0, to: 1, mayBeLogarithmic: true)
    #expect(logarithmic.isLogarithmic)
    #expect(logarithmic.ticks(5) == [1, 10, 100, 1000])
  }

  @Test func scalesOfAnythingPlaceWithin() {
    let edges: [[Double]] = [
      [], [.nan], [0], [5, 5], [-1e300, 1e300], [.leastNonzeroMagnitude, .leastNormalMagnitude],
      [1, .infinity], [1e-9, 1e9], [-1],
    ]
    for values in edges {
      for logarithmic in [false, true] {
        for zero in [false, true] {
          let scale = Scale(
            values, from: 10, to: 20, includesZero: zero, mayBeLogarithmic: logarithmic,
            padding: 0.05)
          for value in values + [0, 1, -1, .nan] {
            #expect((10...20).contains(scale.place(value)), "\(values) \(value)")
          }
          for unit in [AxisUnit.plain, .bytes, .seconds, .count] {
            let ticks = scale.ticks(5, unit)
            #expect(ticks.count < 30)
            for tick in ticks { _ = unit.label(tick, among: ticks) }
          }
        }
      }
    }
  }

  /// One high value among many leaves the others room.
  @Test func outliersMakeTheScaleLogarithmic() {
    let usual = (0..<100).map { 3 + Double($0 % 10) / 10 }
    #expect(!Scale(usual, from: 0, to: 1, mayBeLogarithmic: true).isLogarithmic)
    #expect(Scale(usual + [60], from: 0, to: 1, mayBeLogarithmic: true).isLogarithmic)
  }

  @Test func labelsDoNotOverlap() {
    let places = LineChart.spread([10, 11, 12, 100, 101], from: 10, to: 105)
    for (next, place) in zip(places.dropFirst(), places) { #expect(next - place >= 14.9) }
    #expect((places.first ?? 0) >= 9.9 && (places.last ?? 0) <= 105)
    #expect(LineChart.spread([], from: 0, to: 1) == [])
  }

  @Test func meansPassOverGaps() {
    let series = Series("x", colour: 0, points: [(1, 2), (2, .nan), (3, 4), (4, 6)]).smoothed(
      over: 2)
    #expect(series.points[0].y == 2 && series.points[1].y.isNaN)
    #expect(series.points[2].y == 4 && series.points[3].y == 5)
  }

  @Test func coordinatesAreShort() {
    #expect(number(1) == "1" && number(1.25) == "1.3" && number(-0.04) == "0")
    #expect(number(-0.5) == "-0.5" && number(.nan) == "0" && number(1e300) == "100000000")
  }
}

/// Colours that text has on the grounds of both schemes, by WCAG 2.1's contrast of 4.5 : 1; lines and
/// marks by 3 : 1.
@Suite struct ThemeTests {
  private static func luminance(_ colour: String) -> Double {
    let digits = Array(colour.dropFirst())
    let channels = stride(from: 0, to: 6, by: 2).map { place -> Double in
      let value = Double(Int(String(digits[place...place + 1]), radix: 16) ?? 0) / 255
      return value <= 0.03928 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
    }
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]
  }

  private static func contrast(_ first: String, _ second: String) -> Double {
    let both = [luminance(first), luminance(second)].sorted()
    return (both[1] + 0.05) / (both[0] + 0.05)
  }

  @Test func contrastIsEnough() {
    #expect(abs(Self.contrast("#ffffff", "#000000") - 21) < 0.01)
    for ground in [Theme.ground, Theme.panel] {
      for colour in Theme.inks + Theme.lines + [Theme.others[2]] {
        #expect(Self.contrast(ground.light, colour.light) >= 4.5, "\(colour.name) light")
        #expect(Self.contrast(ground.dark, colour.dark) >= 4.5, "\(colour.name) dark")
      }
      #expect(Self.contrast(ground.light, Theme.others[1].light) >= 2.9)
      #expect(Self.contrast(ground.dark, Theme.others[1].dark) >= 2.9)
    }
  }
}
