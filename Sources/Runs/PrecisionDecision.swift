import Compilation
import Datasets
import Execution
import Models
import Recipes
import Records
import Storage
import Training
import Weights

/// What a run's matmuls multiply, and how that was decided.
public struct PrecisionDecision {
  public let precision: ProductPrecision
  /// What was measured, now or before; nil where the recipe or the CPU decides.
  public let record: PrecisionRecord?

  /// The name of the file in the run's cache folder that keeps what was measured.
  static let file = "precision.json"

  /// A recipe's own choice.
  init(_ precision: Precision) {
    self.precision = ProductPrecision(precision)
    record = nil
  }

  /// A choice that was measured; bf16 if it names a precision that this version does not know.
  init(_ record: PrecisionRecord) {
    precision = ProductPrecision(
      Precision(rawValue: record.precision) ?? .bf16, keptInBF16: Set(record.keptInBF16))
    self.record = record
  }
}

extension Kernels {
  /// The type of the matmuls' operands for a recipe's choice where nothing is measured: `auto` is
  /// bf16 where the CPU has instructions for it.
  func precision(_ choice: PrecisionChoice) -> Precision {
    switch choice {
    case .auto: multipliesBF16 ? .bf16 : .f32
    case .f32: .f32
    case .bf16: .bf16
    case .int8: .int8
    }
  }
}

extension PrecisionDecision {
  /// The inputs of a decision.
  struct Inputs {
    var recipe: Recipe
    var weights: ModelWeights
    var text: TokenStream
    /// The text's content hash.
    var textHash: String
    var pool: WorkerPool
    var kernels: Kernels
    /// The folder that keeps what was measured.
    var cacheFolder: String
    var shouldStop: () -> Bool

    fileprivate var shape: BatchShape {
      BatchShape(windows: recipe.run.batchSize, tokens: recipe.data.sequenceLength)
    }

    /// Whether integers are to be considered: for int8 models, where the recipe leaves it open.
    fileprivate var considersIntegers: Bool {
      recipe.run.precision == .auto && kernels.multipliesBF16
        && weights.checkpoint.tensors.contains { $0.elementType == .int8 }
    }
  }

  /// Decides for a recipe: what it says, what was measured before for the same model and text, or
  /// what is measured now.
  ///
  /// - Throws: `TrainingError.interrupted` if it was asked to stop.
  init(_ inputs: Inputs) throws {
    guard inputs.considersIntegers else {
      self.init(inputs.kernels.precision(inputs.recipe.run.precision))
      return
    }
    let key = inputs.key
    let path = "\(inputs.cacheFolder)/\(Self.file)"
    if let known = PrecisionRecord(file: path), known.key == key {
      self.init(known)
      return
    }
    let record = try inputs.measure(key)
    try Folder.create(inputs.cacheFolder)
    try record.write(to: path)
    self.init(record)
  }

  /// The decision of the run that is resumed. States of earlier versions have none: these took
  /// integers everywhere.
  init(_ inputs: Inputs, resuming saved: RunDecision?) {
    guard inputs.considersIntegers else {
      self.init(inputs.kernels.precision(inputs.recipe.run.precision))
      return
    }
    if let record = saved?.precision { self.init(record) } else { self.init(.int8) }
  }
}

extension PrecisionDecision.Inputs {
  fileprivate var key: String {
    let facts: JSONValue = [
      "model": .string(weights.identity), "text": .string(textHash),
      "windows": .int(shape.windows), "tokens": .int(shape.tokens),
      "instruction_set": .string(kernels.instructionSet), "version": .string(Version.text),
    ]
    return ContentHash.hexadecimal(of: facts)
  }

  fileprivate func measure(_ key: String) throws -> PrecisionRecord {
    let clock = ContinuousClock()
    let start = clock.now
    let choice = try ProductSelection(
      weights, shape: shape, text: text, pool: pool, kernels: kernels, shouldStop: shouldStop
    ).choose()
    func number(_ loss: Double) -> Double? { loss.isFinite ? loss : nil }
    return PrecisionRecord(
      key: key, precision: choice.precision.base.rawValue,
      keptInBF16: choice.precision.keptInBF16.sorted(), bf16Loss: number(choice.bf16Loss),
      int8Loss: number(choice.int8Loss), chosenLoss: number(choice.chosenLoss),
      seconds: (clock.now - start).seconds)
  }
}

extension ProductPrecision {
  /// For people: "int8 products", or "int8 products, bf16 for 37 matrices".
  ///
  /// - Parameter noun: what is said to have the precision.
  public func summary(_ noun: String) -> String {
    "\(base.rawValue) \(noun)"
      + (keptInBF16.isEmpty ? "" : ", bf16 for \(keptInBF16.count) matrices")
  }
}
