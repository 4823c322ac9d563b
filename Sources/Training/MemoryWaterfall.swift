import Adaptations
import Compilation
import Models
import Records
import Tensors

/// How much each memory-saving measure of a run lowers its peak, from full fine-tuning in f32
/// without sharing of memory between values down to the run itself (compare Lin et al. 2022, figure
/// 9).
public struct MemoryWaterfall: Sendable {
  /// One measure, applied on top of those before it.
  public struct Measure: Sendable {
    public var label: String
    /// The planned peak with the measure, in bytes.
    public var bytes: Int
  }

  /// The first entry is the starting point, not a measure.
  public private(set) var measures: [Measure] = []

  /// Compiles the run's step once for each measure.
  ///
  /// - Parameters:
  ///   - compiler: the run's compiler.
  ///   - adaptation: what the run trains.
  ///   - recomputed: the number of the step's activations that matmuls recompute.
  ///   - runtimeBytes: the process's memory without arena and weights.
  /// - Throws: `TrainingError.adaptation` if the method does not fit the model.
  public init(
    _ compiler: StepCompiler, adaptation: some Adaptation, recomputed: Int, threads: Int,
    runtimeBytes: Int
  ) throws(TrainingError) {
    let settings = compiler.settings
    var variant = Variant(adaptation: FullAdaptation(), settings: settings)
    func add(_ label: String, _ compiled: CompiledStep? = nil) throws(TrainingError) {
      let step = if let compiled { compiled } else { try variant.compile(compiler) }
      let forecast = MemoryForecast(step, threads: threads, runtimeBytes: runtimeBytes)
      measures.append(Measure(label: label, bytes: forecast.total))
    }
    try add("full fine-tuning in f32, every value in a place of its own")
    variant.reusesMemory = true
    try add("places reused when a value is dead")
    variant.adaptation = adaptation
    let adapted = try variant.compile(compiler)
    let freezes = adapted.trainableParameters < adapted.totalParameters
    if freezes {
      try add("only what the method trains has gradients, state and a backward pass", adapted)
    }
    let stored = Set(compiler.configuration.parameters.map { compiler.elementType($0.name) })
    if freezes, stored != [.f32] {
      variant.keepsStoredTypes = true
      try add("frozen weights stay as the checkpoint has them")
    }
    for (label, take) in Self.furtherMeasures(settings, recomputed: recomputed) {
      take(&variant)
      try add(label)
    }
  }

  /// The measures that the run's settings ask for under any method, in the order of application.
  private static func furtherMeasures(
    _ settings: TrainingSettings, recomputed: Int
  ) -> [(label: String, take: (inout Variant) -> Void)] {
    let (precision, optimizer) = (settings.precision, settings.optimizer)
    var measures: [(label: String, take: (inout Variant) -> Void)] = []
    if settings.clipNorm == nil, settings.shape.accumulation == 1 {
      measures.append(("updates as soon as a gradient is complete", { $0.clipNorm = nil }))
    }
    measures.append(("norms and activations computed again", { $0.rematerialises = true }))
    if precision.base != .f32 {
      measures.append(("values between products in bf16", { $0.precision = precision }))
    }
    if settings.gates == .int8 {
      measures.append(("gate and up of MLPs kept in int8", { $0.gates = .int8 }))
    }
    if recomputed > 0 {
      let label = "\(recomputed) products or attentions computed again"
      measures.append((label, { $0.recomputed = recomputed }))
    }
    if optimizer.stateType != .f32 {
      let label = "moments in \(optimizer.stateType)"
      measures.append((label, { $0.optimizer.stateType = optimizer.stateType }))
    }
    if optimizer.parameterType != .f32 {
      let label = "trained matrices in \(optimizer.parameterType)"
      measures.append((label, { $0.optimizer = optimizer }))
    }
    return measures
  }
}

/// How a step is compiled.
private struct Variant {
  var adaptation: any Adaptation
  var optimizer: Optimizer
  var clipNorm: Double?
  var precision = ProductPrecision.f32
  var reusesMemory = false
  var rematerialises = false
  var recomputed = 0
  var gates = GateStorage.computed
  var keepsStoredTypes = false

  init(adaptation: any Adaptation, settings: TrainingSettings) {
    self.adaptation = adaptation
    optimizer = settings.optimizer
    optimizer.stateType = .f32
    optimizer.parameterType = .f32
    clipNorm = settings.clipNorm ?? 1
  }

  func compile(_ compiler: StepCompiler) throws(TrainingError) -> CompiledStep {
    func elementType(_ name: String) -> ElementType {
      keepsStoredTypes ? compiler.elementType(name) : .f32
    }
    func compile(_ adaptation: some Adaptation) throws(TrainingError) -> CompiledStep {
      try CompiledStep(
        compiler.configuration, adaptation: adaptation, optimizer: optimizer, clipNorm: clipNorm,
        shape: compiler.settings.shape, precision: precision,
        elementType: elementType,
        rematerialises: rematerialises, recomputed: recomputed, gates: gates,
        reusesMemory: reusesMemory)
    }
    return try compile(adaptation)
  }
}
