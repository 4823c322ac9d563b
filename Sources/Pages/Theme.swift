/// The page's colours and its style sheet.
enum Theme {
  /// Colours of lines; further lines are dashed.
  static let colours = 8

  /// A colour in the light and the dark scheme, as `#rrggbb`.
  struct Colour: Hashable, Sendable {
    let name: String
    let light: String
    let dark: String
  }

  static let ground = Colour(name: "ground", light: "#ffffff", dark: "#14171c")
  static let panel = Colour(name: "panel", light: "#f5f6f8", dark: "#1c2027")
  /// Colours that text has on either ground.
  static let inks = [
    Colour(name: "ink", light: "#16181d", dark: "#e8eaee"),
    Colour(name: "soft", light: "#525a66", dark: "#a5aebb"),
  ]
  /// Colours of methods: of lines and of their labels.
  static let lines = [
    Colour(name: "c0", light: "#0b5fb0", dark: "#74b6f5"),
    Colour(name: "c1", light: "#ad400a", dark: "#ff9d6b"),
    Colour(name: "c2", light: "#0a7048", dark: "#5ecb9e"),
    Colour(name: "c3", light: "#85399b", dark: "#d3a2e4"),
    Colour(name: "c4", light: "#7c5800", dark: "#e3ba53"),
    Colour(name: "c5", light: "#006a75", dark: "#61cad7"),
    Colour(name: "c6", light: "#aa2c64", dark: "#f294bb"),
    Colour(name: "c7", light: "#545b68", dark: "#b2bac5"),
  ]
  /// Fills and rules, which are not text.
  static let others = [
    Colour(name: "rule", light: "#d9dce2", dark: "#343a45"),
    Colour(name: "axis", light: "#8a919d", dark: "#717a88"),
    Colour(name: "bad", light: "#b3261e", dark: "#ff8a80"),
  ]

  static var all: [Colour] { [ground, panel] + inks + lines + others }

  static var styleSheet: String {
    func variables(_ shade: (Colour) -> String) -> String {
      all.map { "--\($0.name):\(shade($0))" }.joined(separator: ";")
    }
    let perColour = (0..<colours).map { index in
      ".c\(index){stroke:var(--c\(index))}.f\(index){fill:var(--c\(index))}"
        + ".t\(index){fill:var(--c\(index))}"
    }.joined()
    return ":root{color-scheme:light dark;\(variables(\.light))}"
      + "@media(prefers-color-scheme:dark){:root{\(variables(\.dark))}}"
      // Paper is white, whatever the screen is.
      + "@media print{:root{color-scheme:light;\(variables(\.light))}}" + perColour + layout
  }

  private static let layout = """

    *{box-sizing:border-box}
    html{-webkit-text-size-adjust:100%}
    body{margin:0;background:var(--ground);color:var(--ink);
    font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;
    font-variant-numeric:tabular-nums;overflow-wrap:break-word}
    main,header,footer{max-width:1120px;margin:0 auto;padding:0 20px}
    header{padding-top:44px}
    h1{font-size:clamp(1.55rem,1.2rem + 1.6vw,2.2rem);line-height:1.15;letter-spacing:-.015em;
    margin:0 0 6px;font-weight:680}
    h2{font-size:1.28rem;line-height:1.25;letter-spacing:-.008em;margin:0 0 4px;font-weight:660}
    h3{font-size:1rem;margin:0 0 2px;font-weight:620}
    p{margin:0 0 12px;max-width:72ch}
    .lead{color:var(--soft);margin:0}
    .soft,.note{color:var(--soft)}
    .note{font-size:.875rem;margin:6px 0 0}
    section{margin:0 0 20px;padding:34px 0 0}
    section>h2+p{color:var(--soft)}
    nav{margin:20px 0 0;border-top:1px solid var(--rule);border-bottom:1px solid var(--rule)}
    nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:2px 22px;margin:0;padding:9px 0}
    nav a{color:var(--ink);text-decoration:none;font-size:.9rem;display:inline-block;padding:3px 0}
    nav a:hover,nav a:focus-visible{text-decoration:underline}
    .verdict{font-size:1.12rem;line-height:1.5;border-left:4px solid var(--c0);padding:2px 0 2px 16px;
    margin:10px 0 18px;max-width:74ch}
    .facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(158px,1fr));
    border:1px solid var(--rule);border-radius:10px;overflow:hidden;margin:18px 0 0}
    .facts>div{box-shadow:1px 0 0 var(--rule),0 1px 0 var(--rule);padding:13px 16px 12px}
    .facts dt{font-size:.8rem;color:var(--soft);margin:0}
    .facts dd{margin:0}
    .facts dd.figure{font-size:1.32rem;font-weight:640;line-height:1.3;letter-spacing:-.01em}
    .facts dd.aside{font-size:.82rem;color:var(--soft)}
    .pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:22px 26px}
    figure{margin:14px 0 0;min-width:0}
    .wide{max-width:620px}
    figcaption{margin:0 0 4px}
    svg{display:block;width:100%;height:auto;overflow:visible}
    svg text{font-size:12.5px;fill:var(--ink);font-family:inherit}
    svg .tick{fill:var(--soft)}svg .axis-title{fill:var(--soft)}
    svg .label{font-weight:560}
    svg .small{font-size:11.5px;fill:var(--soft)}
    svg .strong{font-weight:640}
    .grid{stroke:var(--rule);fill:none;stroke-width:1}
    .axis{stroke:var(--axis);fill:none;stroke-width:1}
    .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
    .faint{stroke-width:1;stroke-opacity:.38}
    .planned{stroke-width:1.6;stroke-dasharray:6 4}
    .dash1{stroke-dasharray:9 4}.dash2{stroke-dasharray:3 4}
    .dot{stroke:var(--ground);stroke-width:1}
    .ring{fill:none;stroke-width:2}
    .leader{fill:none;stroke-width:1.2}
    svg .broken{fill:var(--bad);font-weight:700}
    .hollow{fill:var(--panel);stroke:var(--rule);stroke-width:1}
    .outlined{fill:none;stroke:var(--ink);stroke-width:2}
    .cut{stroke:var(--bad);stroke-width:2;stroke-dasharray:7 4;fill:none}
    .peak{stroke:var(--ink);stroke-width:1.4;stroke-dasharray:3 3;fill:none}
    .in-use{stroke:var(--ink);stroke-width:1.2;stroke-opacity:.75}
    .plate{fill:var(--ground);fill-opacity:.88}
    .edge{stroke:var(--ground);stroke-width:.5}
    svg text.t0{fill:var(--c0)}svg text.t1{fill:var(--c1)}svg text.t2{fill:var(--c2)}
    svg text.t3{fill:var(--c3)}svg text.t4{fill:var(--c4)}svg text.t5{fill:var(--c5)}
    svg text.t6{fill:var(--c6)}svg text.t7{fill:var(--c7)}
    .legend{display:flex;flex-wrap:wrap;gap:2px 16px;list-style:none;margin:4px 0 0;padding:0;
    font-size:.86rem}
    .legend svg{display:inline-block;width:12px;height:12px;margin-right:6px;vertical-align:-1px}
    .scroll{overflow-x:auto;margin:12px 0 0}
    table{border-collapse:collapse;font-size:.9rem;min-width:100%}
    caption{text-align:left;color:var(--soft);padding:0 0 6px}
    th,td{padding:6px 12px 6px 0;border-bottom:1px solid var(--rule);text-align:left;vertical-align:top}
    thead th{font-weight:560;color:var(--soft);vertical-align:bottom;border-bottom-color:var(--axis)}
    tbody th{font-weight:600}
    th.n,td.n{text-align:right;white-space:nowrap}
    th.n:last-child,td.n:last-child{padding-right:2px}
    tr.chosen{background:var(--panel)}
    pre{background:var(--panel);border-radius:8px;padding:12px 14px;margin:8px 0 0;overflow-x:auto;
    white-space:pre-wrap;overflow-wrap:anywhere;
    font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
    pre b{font-weight:600}
    details{margin:12px 0 0}
    summary{cursor:pointer;font-weight:560}
    .warnings{padding-left:20px;margin:8px 0 0}
    footer{color:var(--soft);font-size:.86rem;padding-top:30px;padding-bottom:50px}
    :focus-visible{outline:2px solid var(--c0);outline-offset:2px}
    @media(max-width:560px){main,header,footer{padding-left:14px;padding-right:14px}
    header{padding-top:26px}section{padding-top:26px}table{font-size:.84rem}}
    @media print{body{font-size:10.5pt}nav,.skip{display:none}header{padding-top:0}
    main,header,footer{max-width:none;padding-left:0;padding-right:0}
    figure,.facts,tr{break-inside:avoid}h2,h3,figcaption,section>h2+p{break-after:avoid}
    .pair{grid-template-columns:1fr 1fr}.scroll{overflow:visible}table{font-size:8.5pt}
    details:not([open])>*{display:revert}}
    """
}
