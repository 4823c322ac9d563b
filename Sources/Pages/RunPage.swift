import Records
import Reports
import Storage
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// A page that shows a run, a comparison or an analysis: one HTML file that needs no other. A pure
/// function of the records.
public struct RunPage {
  private let files: RunFiles
  private let lineup: Lineup

  public init(_ files: RunFiles) {
    self.files = files
    lineup = Lineup(files)
  }

  /// The name of a run's page in its folder.
  public static let fileName = "report.html"

  /// Whether a file's bytes begin as those of a page do.
  public static func isPage(_ bytes: UnsafeRawBufferPointer) -> Bool {
    String(decoding: bytes.prefix(400), as: UTF8.self).contains(Page.generator)
  }

  /// Reads a folder's records and writes its page beside them, or to another file.
  ///
  /// - Throws: what reading the folder throws, and `StorageError` where the page can't be written.
  public static func write(in folder: String, to path: String? = nil) throws {
    let page = RunPage(try RunFiles(folder: folder)).html
    let mode: mode_t? = isPrivate(folder) ? 0o600 : nil
    let file = try AtomicFile(path: path ?? "\(folder)/\(fileName)", mode: mode)
    try file.write(Array(page.utf8))
    try file.commit()
  }

  /// Whether only their owner may read a run's records: so it is to be with what is made of them.
  private static func isPrivate(_ folder: String) -> Bool {
    ["events.jsonl", "contributions.json", "compare.json"].contains { name in
      Folder.exists("\(folder)/\(name)") && Folder.isPrivate("\(folder)/\(name)")
    }
  }

  /// The run that is shown where only one is: the folder's own, or the first of its comparison.
  private var run: RunHistory? {
    files.own?.start == nil ? lineup.entries.first?.runs.first : files.own
  }

  /// The whole page.
  public var html: String {
    let heading = Heading(files, run)
    return Page.html(
      title: heading.title, lead: heading.lead, head: heading.facts, sections: sections,
      footer: heading.footer)
  }

  private var sections: [Section] {
    let figures: [Section?] = [
      files.comparison.flatMap { ComparisonFigure(record: $0, lineup: lineup).section },
      LossFigure(lineup: lineup).section,
      ResourceFigure(lineup: lineup).section,
      (files.analysis ?? run?.analysis).flatMap { ContributionFigure(analysis: $0).section },
      MemoryPlanFigure(forecast: run?.forecast, schedule: run?.schedule).section,
      run.flatMap { StepTimeFigure(run: $0).section },
      SampleFigure(samples: run?.samples ?? []).section,
      WarningFigure(warnings: run?.warnings ?? []).section,
      RecipeFigure(recipe: files.recipe).section,
      MachineFigure(run: run).section,
    ]
    return figures.compactMap(\.self)
  }
}
