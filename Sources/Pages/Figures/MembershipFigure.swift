import Records
import Reports
import Tensors

/// How well windows are told apart, as intervals beside chance.
struct MembershipFigure {
  let record: MembershipRecord

  private static let (left, right, top, row) = (190.0, 506.0, 10.0, 30.0)

  var section: Section? {
    guard !record.measures.isEmpty else { return nil }
    var table = PageTable(
      "\(record.members) trained and \(record.nonMembers) held-out windows",
      [
        .init("measure", isNumber: false), .init("AUC"), .init("95 % interval"),
        .init("true positives at 1 % false"),
      ])
    for measure in record.measures {
      table.add([
        measure.name.cut(to: 80) + (measure.isControl ? " – control" : ""),
        formatted(measure.area, decimals: 3),
        "\(formatted(measure.low, decimals: 3)) to \(formatted(measure.high, decimals: 3))",
        measure.truePositiveRate.map { Format.percent($0) } ?? "too few windows",
      ])
    }
    return Section(
      id: "membership", title: "Membership",
      intro: "The probability that a trained window scores above a held-out one; 0.5 is chance.",
      body: Section.figure("Areas under the ROC curve", chart, style: "wide") + table.markup)
  }

  private var chart: Markup {
    let bottom = Self.top + Self.row * Double(record.measures.count)
    var svg = SVG(
      id: "membership-areas", width: 520, height: bottom + 28,
      title: "Areas under the ROC curve",
      description: record.measures.map {
        "\($0.name.cut(to: 80)): \(formatted($0.area, decimals: 3))"
      }.joined(separator: ", "))
    func x(_ area: Double) -> Double {
      Self.left + max(0, min(1, area)) * (Self.right - Self.left)
    }
    for tick in [0.0, 0.25, 0.5, 0.75, 1] {
      svg.line(x(tick), Self.top, x(tick), bottom, style: tick == 0.5 ? "axis" : "grid")
      svg.text(
        formatted(tick, decimals: 2), x: x(tick), y: bottom + 18, anchor: .middle, style: "tick")
    }
    for (index, measure) in record.measures.enumerated() {
      let y = Self.top + Self.row * (Double(index) + 0.5)
      let colour = measure.isControl ? 7 : 0
      svg.text(measure.name.cut(to: 30), x: 4, y: y + 4)
      svg.line(x(measure.low), y, x(measure.high), y, style: "line c\(colour)")
      svg.circle(x: x(measure.area), y: y, radius: 4.5, style: "f\(colour)")
    }
    return svg.markup
  }
}
