import Execution
import Training

/// The CPU's peak rate of arithmetic, and the share of it that a step reaches.
public struct PlannedRates {
  /// The step's peak rate in operations per second, each matmul at the peak of its operands' type.
  public let peak: Double
  /// The rate that a step reaches, as a share of the peak.
  public let share: Double

  init(_ run: PlannedRun, _ seconds: PlannedSeconds) throws {
    let programs = [run.step.training.program] + (run.step.prefix.map { [$0.program] } ?? [])
    let (kernels, pool) = (run.prepared.kernels, run.prepared.pool)
    let floor =
      try kernels.secondsAtPeak(programs, pool) * Double(run.settings.shape.accumulation)
    let flops = run.flopsPerToken * Double(run.settings.shape.tokensPerStep)
    peak = flops / max(1e-9, floor)
    share = floor / max(1e-9, seconds.step)
  }
}
