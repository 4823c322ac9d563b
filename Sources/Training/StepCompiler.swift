import Adaptations
import Models
import Records
import Tensors

/// Compiles the steps of one run: all settings are fixed except the adaptation.
public struct StepCompiler: Sendable {
  public let configuration: ModelConfiguration
  /// Optimizer, clipping and the shape of a step.
  public let settings: TrainingSettings
  /// The type in which the checkpoint stores the parameter of a given name.
  public let elementType: @Sendable (String) -> ElementType

  public init(
    _ configuration: ModelConfiguration, settings: TrainingSettings,
    elementType: @escaping @Sendable (String) -> ElementType
  ) {
    self.configuration = configuration
    self.settings = settings
    self.elementType = elementType
  }

  /// - Parameter recomputed: the largest number of activations that matmuls recompute instead of
  ///   being stored.
  /// - Throws: `TrainingError.adaptation` if the method does not fit the model.
  public func compile(
    _ adaptation: some Adaptation, recomputed: Int = 0, keepsStages: Bool = false
  ) throws(TrainingError) -> CompiledStep {
    try CompiledStep(
      configuration, adaptation: adaptation, optimizer: settings.optimizer,
      clipNorm: settings.clipNorm, shape: settings.shape, precision: settings.precision,
      elementType: elementType, keepsStages: keepsStages, recomputed: recomputed,
      gates: settings.gates)
  }

  /// The step that stores as many activations as a memory limit allows.
  ///
  /// - Parameters:
  ///   - limit: of arena, mapped weights and the step itself, in bytes.
  ///   - threads: the number of threads that the step runs on.
  /// - Returns: nil if the limit is too low even with every possible activation recomputed.
  /// - Throws: `TrainingError.adaptation` if the method does not fit the model.
  public func compile(
    _ adaptation: some Adaptation, within limit: Int, threads: Int, keepsStages: Bool = false
  ) throws(TrainingError) -> CompiledStep? {
    func fits(_ step: CompiledStep) -> Bool {
      MemoryForecast.bytes(of: step, threads: threads) + MemoryForecast.compiledBytes(of: step)
        <= limit
    }
    let all = try compile(adaptation, keepsStages: keepsStages)
    if fits(all) { return all }
    var best = try compile(adaptation, recomputed: .max, keepsStages: keepsStages)
    guard fits(best) else { return nil }
    // `few` recomputed activations do not suffice, `many` do.
    var (few, many) = (0, best.recomputed)
    while many - few > 1 {
      let middle = (few + many) / 2
      let step = try compile(adaptation, recomputed: middle, keepsStages: keepsStages)
      if fits(step) { (many, best) = (middle, step) } else { few = middle }
    }
    return best
  }
}
