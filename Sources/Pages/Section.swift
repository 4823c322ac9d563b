/// A part of the page with a heading, which the navigation leads to.
struct Section {
  let id: String
  let title: String
  /// A sentence on what is shown.
  var intro: String?
  let body: Markup

  var markup: Markup {
    .element(
      "section", ["id": id, "aria-labelledby": "\(id)-heading"],
      .element("h2", ["id": "\(id)-heading"], Markup(text: title))
        + (intro.map { .element("p", [:], Markup(text: $0)) } ?? .empty) + body)
  }

  /// A drawing under its name.
  static func figure(_ caption: String, _ svg: Markup, style: String? = nil) -> Markup {
    .element(
      "figure", ["class": style],
      .element("figcaption", [:], .element("h3", [:], Markup(text: caption))) + svg)
  }

  /// A sentence in small print.
  static func note(_ text: String) -> Markup {
    .element("p", ["class": "note"], Markup(text: text))
  }

  /// What colours or patterns stand for.
  static func legend(_ entries: [(style: String, label: String)]) -> Markup {
    let items = entries.map { entry in
      Markup.element(
        "li", [:],
        .element(
          "svg", ["viewBox": "0 0 12 12", "aria-hidden": "true"],
          .element(
            "rect",
            ["x": "1", "y": "1", "width": "10", "height": "10", "rx": "2", "class": entry.style]))
          + Markup(text: entry.label))
    }
    return .element("ul", ["class": "legend"], items.joined())
  }
}

/// A table with a header for each column and one for each row.
struct PageTable {
  struct Column {
    let title: String
    /// Numbers stand at the right.
    let isNumber: Bool

    init(_ title: String, isNumber: Bool = true) { (self.title, self.isNumber) = (title, isNumber) }
  }

  let caption: String
  let columns: [Column]
  /// Cells of each row; the first one is its header.
  var rows: [(cells: [String], isChosen: Bool)] = []

  init(_ caption: String, _ columns: [Column]) { (self.caption, self.columns) = (caption, columns) }

  mutating func add(_ cells: [String], isChosen: Bool = false) { rows.append((cells, isChosen)) }

  /// Names at the left, values beside them, without a row of titles.
  var plainMarkup: Markup {
    let body = rows.map { row in
      Markup.element(
        "tr", [:],
        .element("th", ["scope": "row"], Markup(text: row.cells.first ?? ""))
          + .element("td", [:], Markup(text: row.cells.last ?? "")))
    }
    return .element(
      "div", ["class": "scroll"],
      .element(
        "table", [:],
        .element("caption", [:], Markup(text: caption))
          + .element("tbody", [:], body.joined())))
  }

  var markup: Markup {
    let head = columns.map { column in
      Markup.element(
        "th", ["scope": "col", "class": column.isNumber ? "n" : nil], Markup(text: column.title))
    }
    let body = rows.map { row in
      let cells = zip(columns, row.cells).enumerated().map { index, cell in
        Markup.element(
          index == 0 ? "th" : "td",
          ["scope": index == 0 ? "row" : nil, "class": cell.0.isNumber ? "n" : nil],
          Markup(text: cell.1))
      }
      return Markup.element("tr", ["class": row.isChosen ? "chosen" : nil], cells.joined())
    }
    return .element(
      "div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": caption],
      .element(
        "table", [:],
        .element("caption", [:], Markup(text: caption))
          + .element("thead", [:], .element("tr", [:], head.joined()))
          + .element("tbody", [:], body.joined())))
  }
}
