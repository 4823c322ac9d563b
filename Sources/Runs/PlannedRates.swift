import Execution
import Training

/// What this CPU can do, and what of it a step uses.
public struct PlannedRates {
  /// The step's operations a second if each product ran at the peak of what it multiplies.
  public let peak: Double
  /// What a step reaches, as a share of that.
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
