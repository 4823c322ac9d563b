/// The frame of a page: what stands around its sections.
enum Page {
  /// By which a page of this program is known.
  static let generator = "<meta name=\"generator\" content=\"sparseft\">"

  /// A whole page, in one file that needs no other.
  ///
  /// - Parameter head: stands between the lead and the navigation.
  static func html(
    title: String, lead: String, head: Markup, sections: [Section], footer: String
  ) -> String {
    let links = sections.map { section in
      Markup.element(
        "li", [:], .element("a", ["href": "#\(section.id)"], Markup(text: section.title)))
    }
    let page: Markup = """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      \(Markup(trusted: generator))
      <meta name="color-scheme" content="light dark">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
      <title>\(title) – sparseft</title>
      <style>\(Markup.styleSheet)</style>
      </head>
      <body>
      <header>
      <h1>\(title)</h1>
      <p class="lead">\(lead)</p>
      \(head)
      <nav aria-label="Sections"><ul>\(links.joined())</ul></nav>
      </header>
      <main>
      \(sections.map(\.markup).joined("\n"))
      </main>
      <footer>\(footer)</footer>
      </body>
      </html>

      """
    return page.source
  }
}

extension Markup {
  /// The style sheet, which has no text of any file in it.
  static var styleSheet: Markup { Markup(trusted: Theme.styleSheet) }
}
