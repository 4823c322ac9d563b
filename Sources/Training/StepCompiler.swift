import Adaptations
import Configurations
import Tensors

/// Compiles the steps of one run: all that methods share is settled, the adaptation is not.
public struct StepCompiler: Sendable {
  public let configuration: ModelConfiguration
  /// Optimizer, clipping and the shape of a step.
  public let settings: TrainingSettings
  /// How the checkpoint stores the parameter of that name.
  public let elementType: @Sendable (String) -> ElementType

  public init(
    _ configuration: ModelConfiguration, settings: TrainingSettings,
    elementType: @escaping @Sendable (String) -> ElementType
  ) {
    self.configuration = configuration
    self.settings = settings
    self.elementType = elementType
  }

  /// - Throws: `TrainingError.adaptation` if the method does not fit the model.
  public func compile(
    _ adaptation: some Adaptation, keepsStages: Bool = false
  ) throws(TrainingError) -> CompiledStep {
    try CompiledStep(
      configuration, adaptation: adaptation, optimizer: settings.optimizer,
      clipNorm: settings.clipNorm, shape: settings.shape, precision: settings.precision,
      elementType: elementType, keepsStages: keepsStages)
  }
}
