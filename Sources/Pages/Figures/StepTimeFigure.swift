import Records
import Reports
import Tensors

/// Where a step's time goes: passes of the median step, and its slowest kernels.
struct StepTimeFigure {
  let run: RunHistory

  /// Nil without steps that were timed.
  var section: Section? {
    let phases = self.phases
    guard phases.contains(where: { $0.seconds > 0 }) else { return nil }
    var body = Section.figure(
      "A step by its passes: \(Format.duration(phases.reduce(0) { $0 + $1.seconds }))",
      bar(phases), style: "wide")
    let total = max(phases.reduce(0) { $0 + $1.seconds }, 1e-12)
    body += Section.legend(
      phases.filter { $0.seconds > 0 }.map {
        (
          $0.style,
          "\($0.label) \(Format.duration($0.seconds)) (\(Format.percent($0.seconds / total)))"
        )
      })
    body += Section.note("Medians over all steps.")
    if let kernels = run.kernels?.kernels, !kernels.isEmpty { body += table(kernels) }
    return Section(
      id: "time", title: "Where a step’s time goes", intro: nil, body: body)
  }

  private var phases: [(label: String, style: String, seconds: Double)] {
    func median(_ value: (PhaseSeconds) -> Double) -> Double {
      let all = run.steps.map { value($0.phases) }.filter { $0.isFinite && $0 >= 0 }.sorted()
      return all.isEmpty ? 0 : all[all.count / 2]
    }
    return [
      ("data", "f2", median(\.data)), ("forward", "f0", median(\.forward)),
      ("backward", "f1", median(\.backward)), ("update", "f3", median(\.update)),
    ]
  }

  private func bar(_ phases: [(label: String, style: String, seconds: Double)]) -> Markup {
    let total = max(phases.reduce(0) { $0 + $1.seconds }, 1e-12)
    var svg = SVG(
      id: "phases", width: 520, height: 46, title: "A step by its passes",
      description: phases.map { "\($0.label) \(Format.duration($0.seconds))" }
        .joined(separator: ", "))
    var x = 0.0
    for phase in phases where phase.seconds > 0 {
      let width = 520 * phase.seconds / total
      svg.rectangle(
        x: x, y: 4, width: width, height: 34, style: phase.style + " edge",
        title: "\(phase.label): \(Format.duration(phase.seconds))")
      x += width
    }
    return svg.markup
  }

  private static let most = 12

  private func table(_ kernels: [KernelTimes.Kernel]) -> Markup {
    let total = max(kernels.reduce(0) { $0 + max(0, $1.seconds) }, 1e-12)
    var table = PageTable(
      "The slowest kernels of a step, timed call by call after the last step",
      [
        .init("kernel", isNumber: false), .init("pass", isNumber: false), .init("calls"),
        .init("time"), .init("share"), .init("GFLOP/s"),
      ])
    let shown = kernels.sorted { $0.seconds > $1.seconds }.prefix(Self.most)
    for kernel in shown {
      let rate = kernel.seconds > 0 ? Double(kernel.flops) / kernel.seconds / 1e9 : 0
      table.add([
        kernel.name.cut(to: 80), kernel.phase.cut(to: 20), "\(kernel.calls)",
        Format.duration(kernel.seconds),
        Format.percent(kernel.seconds / total),
        kernel.flops > 0 ? formatted(rate, decimals: 0) : "–",
      ])
    }
    let rest = kernels.count - shown.count
    return table.markup
      + Section.note(
        "One micro-batch with its update, frozen blocks computed"
          + (rest > 0 ? "; \(rest) faster kernels are left out." : "."))
  }
}
