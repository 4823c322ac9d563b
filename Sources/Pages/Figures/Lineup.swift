import Records
import Reports

/// The methods of a page in the order of their colours, with each one's runs.
struct Lineup {
  struct Entry {
    let label: String
    let colour: Int
    /// In the order of their seeds; the first one's steps are drawn.
    let runs: [RunHistory]
  }

  /// More would be told apart by nobody.
  private static let (mostMethods, mostSeeds) = (24, 10)

  let entries: [Entry]

  init(_ files: RunFiles) {
    var order: [String] = []
    var runs: [String: [RunHistory]] = [:]
    func add(_ label: String, _ history: RunHistory) {
      if runs[label] == nil { order.append(label) }
      runs[label, default: []].append(history)
    }
    if let own = files.own, own.start != nil {
      add(files.comparison?.subject ?? own.start?.label ?? "", own)
    }
    for member in files.members where member.history.start != nil {
      add(member.label, member.history)
    }
    entries = order.prefix(Self.mostMethods).enumerated().map { index, label in
      Entry(
        label: label.cut(to: 48), colour: index,
        runs: Array((runs[label] ?? []).prefix(Self.mostSeeds)))
    }
  }

  /// The colour of a method; that of the last one for others.
  func colour(of label: String) -> Int {
    entries.first { $0.label == label.cut(to: 48) }?.colour ?? max(0, entries.count - 1)
  }
}
