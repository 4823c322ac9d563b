import Checkpoints
import Models
import Tensors

/// The low-rank factors of a run's delta, which other programs call an adapter.
struct LowRankAdapter {
  private let entries: [String: DeltaEntry]
  private let scale: Double
  private let schema: ModelSchema

  /// - Throws: `CheckpointError.unsupported` unless there is exactly one delta and all of it are
  ///   low-rank factors.
  init(_ model: ExportedModel) throws(CheckpointError) {
    guard let (delta, scale) = model.deltas.first, model.deltas.count == 1 else {
      throw .unsupported(
        path: model.checkpoint.path, field: "--delta", found: "\(model.deltas.count) deltas",
        expected: "one delta, of a LoRA run")
    }
    for entry in delta.entries where entry.encoding != .lowRank {
      throw .unsupported(
        path: delta.path, field: "'\(entry.name)'", found: "encoding \(entry.encoding.rawValue)",
        expected: "low-rank factors only, as a run of method lora leaves them; "
          + "--format hf and gguf take any delta")
    }
    self.scale = scale
    entries = Dictionary(
      delta.entries.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    schema = model.configuration.schema
  }

  /// The factors by a format's matrices, in the order of the model's parameters.
  func factors(in format: ForeignFormat) -> [ForeignFactors] {
    schema.tensors(in: format).compactMap { tensor in
      let parts = tensor.parameters.map { ($0, entries[$0.name]) }
      guard parts.contains(where: { $0.1 != nil }) else { return nil }
      return ForeignFactors(tensor.name, parts, scale: scale)
    }
  }
}

/// A low-rank change of a matrix of another format: W + scale · B·A.
struct ForeignFactors {
  /// The matrix's name without `.weight`.
  let module: String
  let rank: Int
  let scale: Double
  let inputs: Int
  let outputs: Int
  /// Whether rows of the matrix, and so of B, are grouped by heads for rotary embedding.
  let hasRotaryRows: Bool
  /// [rank, inputs], row-major.
  private(set) var a: [Float] = []
  /// [outputs, rank], row-major.
  private(set) var b: [Float]

  /// The scale as PEFT and llama.cpp write it.
  var alpha: Double { scale * Double(rank) }

  /// Puts the factors of a matrix's parts together: A's stacked, B's on the diagonal.
  init(_ name: String, _ parts: [(ParameterDescription, DeltaEntry?)], scale: Double) {
    module = name.hasSuffix(".weight") ? String(name.dropLast(7)) : name
    let entries = parts.compactMap(\.1)
    let first = entries.first?.scale ?? 1
    self.scale = first * scale
    rank = entries.reduce(0) { $0 + $1.tensors[0].shape[0] }
    inputs = entries.first?.tensors[0].shape[1] ?? 0
    outputs = parts.reduce(0) { $0 + $1.0.shape[0] }
    hasRotaryRows = parts[0].0.hasRotaryRows
    b = [Float](repeating: 0, count: outputs * rank)
    var (row, column) = (0, 0)
    for (parameter, entry) in parts {
      defer { row += parameter.shape[0] }
      guard let entry else { continue }
      a += entry.tensors[0].widened()
      let block = entry.tensors[1].widened()
      let width = entry.tensors[0].shape[0]
      // Parts of one matrix share a scale, so a different one goes into the factor.
      let factor = Float(entry.scale / first)
      for i in 0..<parameter.shape[0] {
        for j in 0..<width { b[(row + i) * rank + column + j] = factor * block[i * width + j] }
      }
      column += width
    }
  }
}
