import Records
import Reports
import Storage
import Tensors

/// An audit as a page: one HTML file that needs no other, with figures alone and no text of what was
/// audited.
public struct AuditPage {
  private let record: AuditRecord

  public init(_ record: AuditRecord) { self.record = record }

  /// - Throws: `StorageError` where the page can't be written.
  public func write(to path: String) throws(StorageError) {
    try AtomicFile.write(Array(html.utf8), to: path)
  }

  /// The whole page.
  public var html: String {
    let sections = [
      SpanFigure(span: record.span).section,
      record.membership.flatMap { MembershipFigure(record: $0).section },
      record.extraction.flatMap { ExtractionFigure(record: $0).section },
      record.exposure.flatMap { ExposureFigure(record: $0).section },
    ].compactMap(\.self)
    let verdict = record.verdict.map { Markup.element("li", [:], Markup(text: $0.cut(to: 1000))) }
    let title = record.leaks ? "This delta leaks" : "No leak is shown"
    return Page.html(
      title: "Audit: \(title)",
      lead: "\(record.method.cut(to: 60)) delta \(record.delta.prefix(12))… of the model "
        + "\(record.base.prefix(12))…, \(record.trainWindows) trained and \(record.heldOutWindows) "
        + "held-out windows of \(record.sequenceLength) tokens",
      head: .element("ul", ["class": "verdict"], verdict.joined()), sections: sections,
      footer: "Written by sparseft. This file needs no other and opens no connection.")
  }
}
