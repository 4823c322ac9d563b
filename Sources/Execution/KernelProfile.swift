import Programs
import Tensors

/// Seconds and floating-point operations of one kernel's calls in one phase of a step.
public struct KernelProfile: Hashable, Sendable {
  public var phase: Phase
  public var kernel: String
  public var calls = 0
  public var seconds = 0.0
  public var flops = 0

  public init(phase: Phase, kernel: String) {
    self.phase = phase
    self.kernel = kernel
  }

  /// Floating-point operations per second; 0 for kernels that count none.
  public var rate: Double { seconds > 0 ? Double(flops) / seconds : 0 }
}

extension BoundProgram {
  /// Runs the calls of one part of the step in order and times each.
  ///
  /// - Returns: a profile for each kernel of each phase, in the order of their first calls.
  public func profile(_ part: StepPart) -> [KernelProfile] {
    var profiles: [KernelProfile] = []
    let clock = ContinuousClock()
    for (index, call) in program.calls.enumerated() where call.part == part {
      let start = clock.now
      run(call: index)
      let seconds = (clock.now - start).seconds
      var place = profiles.firstIndex { $0.kernel == call.kernel && $0.phase == call.phase }
      if place == nil {
        profiles.append(KernelProfile(phase: call.phase, kernel: call.kernel))
        place = profiles.count - 1
      }
      guard let place else { continue }
      profiles[place].calls += 1
      profiles[place].seconds += seconds
      profiles[place].flops += call.flops
    }
    return profiles
  }
}
