import Reports
import Testing

@Suite struct GainMapTests {
  @Test func showsGainsAndWhatIsTrained() {
    let map = GainMap(
      columns: ["query", "down"],
      rows: [
        ("block 1", [.init(gain: 0.05, share: 0), .init(gain: 0.4, share: 1)]),
        ("block 0", [.init(gain: 0, share: 0), .init(gain: nil, share: 0.25)]),
        ("head", [.init(gain: 0.2, share: 0)]),
      ])
    #expect(
      map.text == """
                query down
        block 1   ▁    [█]
        block 0   ·    [ ]
        head      ▄
        █ 0.4000 nats, · within the noise, [ ] trained
        """)
  }

  @Test func saysWhereNothingWasMeasured() {
    let map = GainMap(columns: ["up"], rows: [("block 0", [.init(gain: nil, share: 1)])])
    #expect(map.text.hasSuffix("[ ] trained; gains were not measured"))
    #expect(map.text.contains("[ ]"))
  }
}
