import Records
import Reports
import Tensors

/// Blocks × tensors, upper blocks first.
struct ContributionMap {
  private struct Cell {
    var gain: Double?
    var share = 0.0
  }

  private(set) var rows: [String] = []
  private var columns: [String] = []
  private var cells: [[Cell?]] = []
  private let noise: Double?
  private let largest: Double
  /// The lowest block in which something trains; nil if none does, or if it goes below all of them.
  private let lowestTrained: Int?
  /// Whether gains of single tensors were measured.
  let isMeasured: Bool
  private static let mostBlocks = 200

  init(_ analysis: AnalysisRecord) {
    noise = analysis.noise
    let measured = analysis.tensors.filter(\.isMeasured)
    isMeasured = !measured.isEmpty
    largest = measured.compactMap { $0.score ?? $0.gain }.filter(\.isFinite).max() ?? 0
    let scheme = analysis.scheme.filter { $0.value > 0 }
    let gains = Dictionary(
      measured.map { ($0.name, $0.score ?? $0.gain) }, uniquingKeysWith: { first, _ in first })
    let names = Set(analysis.tensors.map(\.name)).union(scheme.keys)
    let paths = names.compactMap { name in ParameterPath(name).map { (name: name, path: $0) } }
    let layers = paths.compactMap(\.path.layer)
    let trained = scheme.keys.compactMap { ParameterPath($0) }
    let reachesBottom = scheme.keys.contains("embedding")
    lowestTrained =
      scheme.isEmpty || reachesBottom
      ? nil : trained.compactMap(\.layer).min() ?? layers.max().map { $0 &+ 1 }
    guard !scheme.isEmpty || isMeasured, let top = layers.max(), top < Self.mostBlocks else {
      return
    }
    let kinds = LinearKind.allCases
    let norms = ["attention_norm", "mlp_norm"].filter { norm in
      scheme.keys.contains { $0.hasPrefix("layers[") && $0.hasSuffix("." + norm) }
    }
    columns = kinds.map(\.rawValue) + norms.map { $0 == "mlp_norm" ? "mlp norm" : "attn norm" }
    func cell(_ name: String) -> Cell? {
      guard names.contains(name) else { return nil }
      return Cell(gain: gains[name] ?? nil, share: min(1, scheme[name] ?? 0))
    }
    for name in ["head", "norm"]
    where names.contains(name) && (name == "head" || scheme[name] != nil) {
      add(name == "norm" ? "last norm" : name, [cell(name)])
    }
    for layer in (0...top).reversed() {
      add(
        "block \(layer)",
        kinds.map { cell($0.path(layer: layer)) } + norms.map { cell("layers[\(layer)].\($0)") })
    }
    if scheme["embedding"] != nil { add("embedding", [cell("embedding")]) }
  }

  private mutating func add(_ label: String, _ cells: [Cell?]) {
    rows.append(label)
    self.cells.append(cells)
  }

  private static let (left, top, width) = (76.0, 34.0, 520.0)

  var svg: Markup {
    let size = (Self.width - Self.left - 4) / Double(max(1, columns.count))
    let height = rows.count > 40 ? 14.0 : 22.0
    let bottom = Self.top + Double(rows.count) * height
    var svg = SVG(
      id: "map", width: Self.width, height: bottom + 58, title: "Contribution map",
      description: description)
    for (index, column) in columns.enumerated() {
      let words = column.split(separator: " ")
      for (line, word) in words.enumerated() {
        svg.text(
          String(word), x: Self.left + (Double(index) + 0.5) * size,
          y: Self.top - 8 - 13 * Double(words.count - 1 - line), anchor: .middle, style: "tick")
      }
    }
    for (row, label) in rows.enumerated() {
      let y = Self.top + Double(row) * height
      if rows.count <= 40 || row % 2 == 0 {
        svg.text(label, x: Self.left - 8, y: y + height / 2 + 4, anchor: .end, style: "tick")
      }
      for (column, cell) in cells[row].enumerated() {
        guard let cell else { continue }
        let x = Self.left + Double(column) * size
        let isWide = cells[row].count == 1
        draw(
          cell, &svg, x: x + 2, y: y + 1.5,
          width: (isWide ? size * Double(columns.count) : size) - 4, height: height - 3,
          name: isWide ? label : "\(label), \(columns[column])")
      }
    }
    drawCut(&svg, rowHeight: height)
    drawKey(&svg, y: bottom + 22)
    return svg.markup
  }

  private func draw(
    _ cell: Cell, _ svg: inout SVG, x: Double, y: Double, width: Double, height: Double,
    name: String
  ) {
    var words = name
    if let gain = cell.gain {
      words += isNoise(gain) ? ": within the noise" : ": \(Format.loss(gain)) nats"
    }
    if cell.share > 0 {
      words += cell.share < 1 ? "; trains \(Format.percent(cell.share))" : "; trained"
    }
    svg.rectangle(
      x: x, y: y, width: width, height: height, style: "hollow", radius: 3, title: words)
    if let gain = cell.gain {
      if isNoise(gain) {
        svg.circle(x: x + width / 2, y: y + height / 2, radius: 1.8, style: "f7")
      } else {
        svg.rectangle(
          x: x, y: y, width: width, height: height, style: "f0",
          opacity: 0.12 + 0.88 * min(1, gain / max(largest, 1e-12)), radius: 3, title: words)
      }
    }
    if cell.share > 0 {
      svg.rectangle(
        x: x + 1, y: y + 1, width: (width - 2) * cell.share, height: height - 2,
        style: "outlined", radius: 2.5, title: words)
    }
  }

  /// Gains under twice the noise count as nothing.
  private func isNoise(_ gain: Double) -> Bool {
    !(gain > 0) || noise.map { gain < 2 * $0 } ?? false
  }

  private func drawCut(_ svg: inout SVG, rowHeight: Double) {
    guard let lowestTrained else { return }
    let above = rows.firstIndex { $0 == "block \(lowestTrained - 1)" }
    guard let above else { return }
    let y = Self.top + Double(above) * rowHeight
    svg.line(4, y, Self.width, y, style: "cut")
  }

  private func drawKey(_ svg: inout SVG, y: Double) {
    if isMeasured, largest > 0 {
      svg.text("gain", x: Self.left - 8, y: y + 10, anchor: .end, style: "tick")
      for step in 0..<20 {
        svg.rectangle(
          x: Self.left + Double(step) * 7, y: y, width: 7, height: 13, style: "f0",
          opacity: 0.12 + 0.88 * (Double(step) + 0.5) / 20)
      }
      if let noise, noise > 0, 2 * noise < largest {
        let x = Self.left + 140 * 2 * noise / largest
        svg.line(x, y - 3, x, y + 16, style: "peak")
      }
      svg.text("0", x: Self.left, y: y + 29, anchor: .middle, style: "tick")
      svg.text(
        "\(Format.loss(largest)) nats", x: Self.left + 140, y: y + 29, anchor: .middle,
        style: "tick")
      svg.circle(x: Self.left + 206, y: y + 7, radius: 1.8, style: "f7")
      svg.text("within the noise", x: Self.left + 214, y: y + 11, style: "tick")
    }
    let x = Self.left + (isMeasured && largest > 0 ? 324 : 0)
    svg.rectangle(x: x, y: y, width: 20, height: 13, style: "outlined", radius: 2.5)
    svg.text("trained", x: x + 27, y: y + 11, style: "tick")
  }

  private var description: String {
    var gains: [(String, Double)] = []
    for (row, label) in rows.enumerated() {
      for (column, cell) in cells[row].enumerated() {
        guard let gain = cell?.gain, !isNoise(gain) else { continue }
        gains.append((cells[row].count == 1 ? label : "\(label) \(columns[column])", gain))
      }
    }
    let trained = cells.joined().count { ($0?.share ?? 0) > 0 }
    let first = gains.sorted { $0.1 > $1.1 }.prefix(5)
      .map { "\($0.0) \(Format.loss($0.1)) nats" }.joined(separator: ", ")
    return "\(rows.count) rows of blocks by \(columns.count) kinds of tensors. "
      + (first.isEmpty
        ? "Gains of single tensors were not measured. " : "The largest gains: \(first). ")
      + "\(trained) tensors are trained."
  }

  var note: String {
    var text = ""
    if isMeasured {
      text +=
        "Colour is how much lower the held-out loss gets by training that tensor on top of the "
      text += "last block. "
      if let noise {
        text +=
          "Measuring twice differs by about \(Format.loss(noise)) nats; gains under twice that "
        text += "count as nothing (broken line in the key). "
      }
    } else {
      text += "Gains of single tensors were not measured; sparseft analyze measures them. "
    }
    text += "Outlined tensors are trained, over the share of their rows that is. "
    if let lowestTrained, lowestTrained > 0 {
      text += "The backward pass ends at the broken line: blocks below it are frozen."
    }
    return text
  }
}
