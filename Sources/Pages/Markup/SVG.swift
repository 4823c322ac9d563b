import Tensors

/// A drawing: its size, what it shows in words, and its elements.
struct SVG {
  let width: Double
  let height: Double
  /// A short name, and what the drawing shows, for those who can't see it.
  let title: String
  let description: String
  /// Unique in the page.
  let id: String
  var content = Markup.empty

  init(id: String, width: Double, height: Double, title: String, description: String) {
    (self.id, self.width, self.height) = (id, width, height)
    (self.title, self.description) = (title, description)
  }

  var markup: Markup {
    .element(
      "svg",
      [
        "viewBox": "0 0 \(number(width)) \(number(height))", "role": "img",
        "aria-labelledby": "\(id)-title \(id)-desc",
      ],
      .element("title", ["id": "\(id)-title"], Markup(text: title))
        + .element("desc", ["id": "\(id)-desc"], Markup(text: description)) + content)
  }

  mutating func text(
    _ text: String, x: Double, y: Double, anchor: Anchor = .start, style: String? = nil
  ) {
    content += .element(
      "text",
      [
        "x": number(x), "y": number(y), "text-anchor": anchor == .start ? nil : anchor.rawValue,
        "class": style,
      ], Markup(text: text))
  }

  /// A text that reads upwards.
  mutating func upwards(_ text: String, x: Double, y: Double, style: String? = nil) {
    content += .element(
      "text",
      [
        "transform": "translate(\(number(x)) \(number(y))) rotate(-90)", "text-anchor": "middle",
        "class": style,
      ], Markup(text: text))
  }

  mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, style: String) {
    content += .element(
      "path",
      [
        "d": "M\(number(x1)) \(number(y1))L\(number(x2)) \(number(y2))", "class": style,
      ])
  }

  /// - Parameter title: shown where a pointer rests on it.
  mutating func rectangle(
    x: Double, y: Double, width: Double, height: Double, style: String, opacity: Double? = nil,
    radius: Double? = nil, title: String? = nil
  ) {
    content += .element(
      "rect",
      [
        "x": number(x), "y": number(y), "width": number(max(0, width)),
        "height": number(max(0, height)), "rx": radius.map(number), "class": style,
        "fill-opacity": opacity.map { formatted($0, decimals: 3) },
      ], title.map { .element("title", [:], Markup(text: $0)) })
  }

  mutating func circle(
    x: Double, y: Double, radius: Double, style: String, title: String? = nil
  ) {
    content += .element(
      "circle", ["cx": number(x), "cy": number(y), "r": number(radius), "class": style],
      title.map { .element("title", [:], Markup(text: $0)) })
  }

  mutating func path(_ data: String, style: String) {
    guard !data.isEmpty else { return }
    content += .element("path", ["d": data, "class": style])
  }

  enum Anchor: String {
    case start, middle, end
  }
}

/// A coordinate with a tenth of a unit, as short as it goes; what is not finite is 0.
func number(_ value: Double) -> String {
  guard value.isFinite else { return "0" }
  let tenths = (max(-1e8, min(1e8, value)) * 10).rounded()
  let whole = Int(tenths)
  if whole % 10 == 0 { return String(whole / 10) }
  return (whole < 0 ? "-" : "") + "\(abs(whole) / 10).\(abs(whole) % 10)"
}
