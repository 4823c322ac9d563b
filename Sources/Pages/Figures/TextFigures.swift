import Records
import Reports
import Storage

extension String {
  /// The text, or its beginning where it is longer than so many characters.
  func cut(to most: Int) -> String {
    utf8.count > most && count > most ? prefix(most - 1) + "…" : self
  }
}

/// What the model wrote before and after training.
struct SampleFigure {
  let samples: [RunHistory.Sample]
  private static let most = 6000

  var section: Section? {
    guard !samples.isEmpty else { return nil }
    let parts = samples.map { sample in
      Markup.element(
        "figure", [:],
        .element(
          "figcaption", [:],
          .element(
            "h3", [:],
            Markup(text: sample.step == 0 ? "Before" : "After \(sample.step) steps")))
          + .element(
            "pre", [:],
            .element("b", [:], Markup(text: sample.prompt.cut(to: Self.most)))
              + Markup(text: sample.text.cut(to: Self.most))))
    }
    return Section(
      id: "samples", title: "Samples", intro: "The prompt in bold, and how the model goes on.",
      body: .element("div", ["class": "pair"], parts.joined()))
  }

}

/// What the run warned of.
struct WarningFigure {
  let warnings: [String]
  private static let most = 30

  var section: Section? {
    guard !warnings.isEmpty else { return nil }
    var items = warnings.prefix(Self.most).map {
      Markup.element("li", [:], Markup(text: $0.cut(to: 1000)))
    }
    if warnings.count > Self.most {
      items.append(
        .element("li", [:], Markup(text: "and \(warnings.count - Self.most) more")))
    }
    return Section(
      id: "warnings", title: "Warnings", body: .element("ul", ["class": "warnings"], items.joined())
    )
  }
}

/// The resolved recipe as it stands in the folder.
struct RecipeFigure {
  let recipe: JSONValue?
  private static let most = 60_000

  var section: Section? {
    guard let recipe, recipe.object != nil else { return nil }
    let text = recipe.encoded(.pretty).cut(to: Self.most)
    return Section(
      id: "recipe", title: "Recipe", intro: "Resolved: with all defaults and overrides.",
      body: .element("pre", [:], Markup(text: text)))
  }
}

/// What the run was on.
struct MachineFigure {
  let run: RunHistory?

  var section: Section? {
    guard let start = run?.start else { return nil }
    var rows: [(String, String)] = []
    if let machine = start.machine {
      rows.append(("processor", machine.processor))
      rows.append(("cores for the process", "\(machine.cores)"))
      if let bytes = machine.memoryBytes { rows.append(("memory", Format.bytes(bytes))) }
    }
    rows += [
      ("instruction set", start.instructionSet), ("threads", "\(start.threads)"),
      ("arithmetic", start.precision), ("sparseft", start.version), ("model", start.model),
      (
        "parameters",
        "\(Format.count(start.trainableParameters)) of \(Format.count(start.totalParameters)) trained"
      ),
    ]
    if let choice = start.choice {
      rows.append(("how it was chosen", choice.replacing("\n", with: "; ")))
    }
    if let text = start.text {
      rows.append(("text", Format.text(text).replacing("text: ", with: "")))
    }
    if let chats = start.rows { rows.append(("rows", chats)) }
    if let frozen = Format.frozenPrefix(start.frozenBlocks, cacheBytes: start.prefixCacheBytes) {
      rows.append(("frozen blocks", frozen))
    }
    var table = PageTable(
      "What the run was on", [.init("", isNumber: false), .init("", isNumber: false)])
    for row in rows { table.add([row.0, row.1.cut(to: 2000)]) }
    return Section(id: "machine", title: "Machine, model and text", body: table.plainMarkup)
  }
}
