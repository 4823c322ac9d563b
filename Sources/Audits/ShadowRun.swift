import Checkpoints
import Recipes
import Runs
import Storage
import Tensors
import Tokenizers
import Training

#if canImport(Glibc)
  import Glibc
#endif

/// Runs that train as the delta was trained, each on half of the held-out windows, so that there are
/// models that have not seen a window to compare with (Shokri et al. 2017). Each also gets canaries.
struct ShadowRuns {
  let recorded: RecordedRecipe
  let model: String
  let heldOut: TextWindows
  /// Tokens of the text that the delta was trained on.
  let trainedTokens: Int
  let tokenizer: any Tokenizer
  let threads: Int
  let seed: UInt64
  /// Numbers that each canary's secret could be.
  let candidates: Int
  /// A folder of the audit's own.
  let folder: String

  /// A trained shadow.
  struct Shadow {
    let index: Int
    let deltaPath: String
    /// Which of the held-out windows it was trained on.
    let windows: Set<Int>
    let canaries: Canaries
  }

  private static let separator = "\n\n<|next document|>\n\n"

  /// Which of the held-out windows a shadow is trained on: a random half, or with an odd number the
  /// other half of the one before.
  static func half(_ windows: [Int], index: Int, seed: UInt64) -> Set<Int> {
    var random = RandomSource(seed: seed, stream: 0x5AD0 + UInt64(index / 2))
    let order = random.permutation(windows.count).map { windows[Int($0)] }
    let middle = (windows.count + 1) / 2
    return Set(index % 2 == 0 ? order[..<middle] : order[middle...])
  }

  /// - Throws: `TrainingError.interrupted` where it was asked to stop, and what runs throw.
  func train(_ index: Int, shouldStop: @escaping () -> Bool) throws -> Shadow {
    let windows = Self.half(heldOut.windows, index: index, seed: seed)
    let canaries = Canaries(candidates: candidates, seed: seed &+ UInt64(index))
    let output = "\(folder)/shadow-\(index)"
    let (text, recipe) = ("\(output).txt", "\(output).json")
    let texts = try windows.sorted().map { try self.text(of: $0) }.filter { !$0.isEmpty }
    var random = RandomSource(seed: seed, stream: 0xD0C + UInt64(index))
    let documents = texts + canaries.documents
    let order = random.permutation(documents.count).map { documents[Int($0)] }
    try AtomicFile.write(Array(order.joined(separator: Self.separator).utf8), to: text)
    let tokens = windows.count * heldOut.sequenceLength
    let json = try recorded.json(
      model: model, text: text, separator: Self.separator, output: output,
      seed: Int(truncatingIfNeeded: seed &+ UInt64(index) &+ 1) & Int.max,
      amount: Double(tokens) / Double(max(1, trainedTokens)), threads: threads)
    try AtomicFile.write(Array(json.encoded().utf8), to: recipe)
    let prepared = try PreparedRun(recipe: recipe, shouldStop: shouldStop)
    let run = try TrainingRun(
      try PlannedRun(prepared, try MethodDecision(prepared)),
      in: try RunFolder(prepared.recipe.output.absolute, resuming: false))
    guard try run.train().reason != .interrupted else { throw TrainingError.interrupted }
    let store = SnapshotStore(
      folder: prepared.recipe.output.absolute, method: .null, recipe: .null)
    return Shadow(
      index: index, deltaPath: store.deltaPath(.last), windows: windows, canaries: canaries)
  }

  private func text(of window: Int) throws -> String {
    let ids = heldOut[window]
    return try tokenizer.decode(ids.inputs)
  }
}
