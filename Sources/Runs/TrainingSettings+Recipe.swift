import Compilation
import Datasets
import Operations
import Recipes
import Tensors
import Training

extension TrainingSettings {
  /// A recipe's settings for a text; the peak of the schedule is 0 until the rate is decided.
  init(_ recipe: Recipe, text: TokenStream, precision: ProductPrecision) {
    let windows = recipe.run.batchSize
    // With privacy every window's gradient is by itself.
    let shape = BatchShape(
      windows: recipe.privacy == nil ? windows : 1, tokens: recipe.data.sequenceLength,
      accumulation: recipe.privacy == nil
        ? recipe.run.accumulation : windows * recipe.run.accumulation)
    let steps = Self.steps(recipe.run.length, shape, text)
    let curve = LearningRateSchedule.Curve(rawValue: recipe.schedule.type.rawValue) ?? .cosine
    self.init(
      steps: steps, shape: shape, optimizer: Optimizer(recipe), precision: precision,
      gates: GateStorage(rawValue: recipe.run.keptGates.rawValue) ?? .computed,
      clipNorm: recipe.privacy == nil ? recipe.optimizer.clipNorm : nil,
      schedule: LearningRateSchedule(
        curve: curve, peak: 0, warmupSteps: recipe.schedule.warmupSteps,
        finalRatio: recipe.schedule.finalRatio, totalSteps: steps),
      seed: UInt64(recipe.seed), shuffles: recipe.data.shuffle,
      validateEvery: recipe.run.validateEvery, saveEvery: recipe.run.saveEvery,
      patience: recipe.run.patience, patienceMargin: recipe.run.patienceMargin)
    privacy = recipe.privacy.map {
      PrivacySettings(clip: $0.clip, noise: $0.noise, delta: $0.delta)
    }
  }

  private static func steps(
    _ length: RunLength, _ shape: BatchShape, _ text: TokenStream
  ) -> Int {
    switch length {
    case .steps(let count): return count
    case .epochs(let epochs):
      let windows = text.windowCount(sequenceLength: shape.tokens, includePartial: false)
      return max(1, epochs * windows / shape.windowsPerStep)
    }
  }
}

extension RunRecipe {
  /// Validations without a new best after which the run stops; nil for never.
  fileprivate var patience: Int? {
    switch earlyStopping {
    case .never: return nil
    case .after(let count): return count
    case .auto:
      guard case .epochs(let count) = length, count > 1 else { return nil }
      return 4
    }
  }

  /// How far above the best, in nats, the last of them has to be: a loss that merely does not fall
  /// while the rate is high may still fall when the rate does.
  fileprivate var patienceMargin: Double { earlyStopping == .auto ? 0.01 : 0 }
}

extension Optimizer {
  fileprivate init(_ whole: Recipe) {
    let recipe = whole.optimizer
    switch recipe.type {
    case .adamw:
      let moments = recipe.state.moments(whole.run.precision)
      self = .adamW(
        AdamW(
          firstBeta: recipe.betas.first, secondBeta: recipe.betas.second,
          epsilon: recipe.epsilon, weightDecay: recipe.weightDecay,
          stateType: moments.type, fewestRounded: moments.fewestRounded,
          parameterType: recipe.parameters.elementType, integerStep: recipe.integerStep))
    case .sgd:
      self = .sgd(
        SGD(
          momentum: recipe.momentum, weightDecay: recipe.weightDecay,
          parameterType: recipe.parameters.elementType, integerStep: recipe.integerStep))
    }
  }
}

extension OptimizerRecipe {
  /// Keeps moments in f32 if the recipe leaves it open, as earlier versions did: for going on from a
  /// state without rounded moments, to which both are the same if no tensor is large.
  mutating func keepFloatMoments() {
    if state == .auto { state = .f32 }
  }
}

extension OptimizerRecipe {
  fileprivate var integerStep: IntegerStep {
    IntegerStep(
      rounding: IntegerStep.Rounding(rawValue: rounding.rawValue) ?? .stochastic,
      compensatesScale: qas, carriesError: eco)
  }
}

extension OptimizerRecipe.ParameterType {
  fileprivate var elementType: ElementType {
    switch self {
    case .f32: .f32
    case .bf16: .bf16
    case .int8: .int8
    }
  }
}

extension OptimizerRecipe.StateType {
  /// The type of moments, and of how many elements on a tensor's moments have it; smaller ones' are
  /// f32. From 65,536 elements on, moments in f32 take half a megabyte or more. Who asks for f32
  /// matmuls wants exact numbers.
  fileprivate func moments(
    _ precision: PrecisionChoice
  ) -> (type: MomentType, fewestRounded: Int) {
    switch self {
    case .auto: precision == .f32 ? (.f32, 0) : (.int8, 65_536)
    case .f32: (.f32, 0)
    case .bf16: (.bf16, 0)
    case .int8: (.int8, 0)
    case .int4: (.int4, 0)
    }
  }
}
