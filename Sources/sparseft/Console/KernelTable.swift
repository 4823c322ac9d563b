import Execution
import Programs
import Reports
import Tensors

/// Table of a step's kernels, slowest first.
struct KernelTable {
  private let profiles: [KernelProfile]

  init(_ profiles: [KernelProfile]) {
    var sums: [[String]: KernelProfile] = [:]
    for profile in profiles {
      let key = [profile.phase.rawValue, profile.kernel]
      var sum = sums[key] ?? KernelProfile(phase: profile.phase, kernel: profile.kernel)
      sum.calls += profile.calls
      sum.seconds += profile.seconds
      sum.flops += profile.flops
      sums[key] = sum
    }
    self.profiles = sums.values.sorted { ($0.seconds, $0.kernel) > ($1.seconds, $1.kernel) }
  }

  var text: String {
    let total = profiles.reduce(0) { $0 + $1.seconds }
    var table = Table([
      .init("phase"), .init("kernel"), .init("calls", .right), .init("ms", .right),
      .init("share", .right), .init("GFLOP/s", .right),
    ])
    for profile in profiles {
      table.add([
        profile.phase.rawValue, profile.kernel, "\(profile.calls)",
        formatted(profile.seconds * 1e3, decimals: 2), Format.percent(profile.seconds / total),
        profile.flops == 0 ? "" : formatted(profile.rate / 1e9, decimals: 0),
      ])
    }
    let phases = Phase.allCases.map { phase in
      let seconds = profiles.reduce(0) { $1.phase == phase ? $0 + $1.seconds : $0 }
      return "\(phase.rawValue) \(formatted(seconds * 1e3, decimals: 1)) ms"
    }
    return table.text + "\n\n" + phases.joined(separator: ", ")
      + "; a step \(formatted(total * 1e3, decimals: 1)) ms"
  }
}
