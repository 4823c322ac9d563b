import Execution
import Records

extension KernelTimes {
  /// - Parameter profiles: kernels of one or more programs; those of one name and pass are added up.
  init(_ profiles: [KernelProfile]) {
    var kernels: [Kernel] = []
    for profile in profiles {
      let phase = profile.phase.rawValue
      guard
        let place = kernels.firstIndex(where: { ($0.phase, $0.name) == (phase, profile.kernel) })
      else {
        kernels.append(
          Kernel(
            phase: phase, name: profile.kernel, calls: profile.calls, seconds: profile.seconds,
            flops: profile.flops))
        continue
      }
      kernels[place].calls += profile.calls
      kernels[place].seconds += profile.seconds
      kernels[place].flops += profile.flops
    }
    self.init(kernels.sorted { ($0.seconds, $1.name) > ($1.seconds, $0.name) })
  }
}
