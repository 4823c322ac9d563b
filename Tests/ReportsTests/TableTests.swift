import Reports
import Testing

@Suite struct TableTests {
  static let methods: Table = {
    var table = Table([.init("method"), .init("trainable", .right), .init("loss", .right)])
    table.add(["sparse auto", "5.3 M", "1.2345"])
    table.add(["lora r8 | naïve", "950", "12.3000"])
    table.add(["日本"])
    return table
  }()

  @Test func text() {
    #expect(
      Self.methods.text == """
        method           trainable     loss
        ───────────────  ─────────  ───────
        sparse auto          5.3 M   1.2345
        lora r8 | naïve        950  12.3000
        日本
        """)
  }

  @Test func cellsStayOnOneLine() {
    var table = Table([.init("a"), .init("b")])
    table.add(["x\ny\tz", "1", "surplus"])
    #expect(table.text == "a      b\n─────  ─\nx y z  1")
  }

  @Test func emptyTables() {
    #expect(Table([.init("a", .right)]).text == "a\n─")
    #expect(Table([]).text == "\n")
  }

  @Test func memoryBars() {
    let bars = MemoryBars([
      ("weights", 94_371_840), ("activations", 157_286_400), ("gradients", 1000), ("optimizer", 0),
    ])
    #expect(
      bars.text(barWidth: 20) == """
        weights      ▇▇▇▇▇▇▇▇▇▇▇▇          90.0 MiB  37.5 %
        activations  ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇   150 MiB  62.5 %
        gradients    ▇                       1000 B   0.0 %
        optimizer                               0 B   0.0 %
        ───────────                        ────────  ──────
        total                               240 MiB   100 %
        """)
  }

  @Test func memoryBarsOfNothing() {
    #expect(
      MemoryBars([]).text(barWidth: 3) == """
        ─────       ───  ─────
        total       0 B  100 %
        """)
    #expect(MemoryBars([("a", Int.max), ("b", Int.max)]).text().contains("50.0 %"))
  }
}
