import Adaptations
import Compilation
import Configurations
import Execution
import Graphs
import Models
import Operations
import Programs
import Tensors

/// What a step works on: windows in a micro-batch, tokens in a window, micro-batches in a step.
public struct BatchShape: Hashable, Sendable {
  public var windows: Int
  public var tokens: Int
  public var accumulation: Int

  public init(windows: Int, tokens: Int, accumulation: Int = 1) {
    self.windows = windows
    self.tokens = tokens
    self.accumulation = accumulation
  }

  /// Tokens of an optimizer step.
  public var tokensPerStep: Int { windows * tokens * accumulation }
}

/// The training step and the validation pass of one method, compiled for one arena.
public struct CompiledStep: Sendable {
  public let training: CompiledProgram
  public let validation: CompiledProgram
  public let shape: BatchShape
  public let trainableParameters: Int
  public let totalParameters: Int
  /// What the low-rank products of this method are scaled by.
  public let lowRankScale: Double

  /// Compiles the step of an adaptation.
  ///
  /// - Parameters:
  ///   - elementType: how the checkpoint stores the parameter of that name.
  ///   - keepsStages: keep the compiler's stages as text.
  /// - Throws: `TrainingError.adaptation` if the method does not fit the model.
  public init(
    _ configuration: ModelConfiguration, adaptation: some Adaptation, optimizer: Optimizer,
    clipNorm: Double?, shape: BatchShape,
    elementType: @escaping (String) -> ElementType = { _ in .f32 }, keepsStages: Bool = false
  ) throws(TrainingError) {
    let model = Llama(configuration)
    var graph = model.traceLoss(
      batch: shape.windows, tokens: shape.tokens, elementType: elementType)
    try rethrow(TrainingError.adaptation) { () throws(AdaptationError) in
      try adaptation.apply(to: &graph)
    }
    let policy = UpdatePolicy(
      rule: optimizer.rule, clipNorm: clipNorm, accumulation: shape.accumulation)
    var layout = PersistentLayout()
    let compiler = TrainingCompiler(policy: policy, keepsStages: keepsStages)
    let adapted = graph
    (training, validation) = try rethrow(TrainingError.graph) { () throws(GraphError) in
      let training = try compiler.compile(adapted, layout: &layout)
      return (training, try InferenceCompiler().compile(adapted, layout: &layout))
    }
    self.shape = shape
    trainableParameters = graph.trainedParameterCount
    totalParameters = configuration.parameterCount
    lowRankScale = adaptation.lowRankScale
  }

  /// Bytes of the arena that both programs share, scratch of the threads included.
  public func arenaBytes(threads: Int) -> Int {
    Executor.arenaBytes(for: [training.program, validation.program], threads: threads)
  }

  /// Floating-point operations of training per token.
  public var flopsPerToken: Double {
    Double(training.program.bodyFlops) / Double(shape.windows * shape.tokens)
  }
}
