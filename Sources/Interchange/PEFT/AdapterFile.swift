import Checkpoints
import Models

/// Low-rank factors as the GGUF file that llama.cpp's `--lora` takes: for every matrix
/// `NAME.lora_a` [rank, inputs] and `NAME.lora_b` [outputs, rank], and one alpha.
///
/// llama.cpp adds alpha / rank · B·A, with each matrix's own rank; where a matrix has another alpha,
/// B is multiplied by their ratio. Rows of B lie as the matrix's rows do in the architecture's files.
enum AdapterFile {
  /// The file's name within an adapter's folder.
  static let name = "adapter_model.gguf"

  /// - Parameters:
  ///   - factors: by matrices' names in GGUF files.
  ///   - architecture: of the base model, as in its GGUF file's `general.architecture`.
  ///   - interleavedHeadWidth: rows of one attention head, where the architecture's files
  ///     interleave them; else nil.
  static func write(
    _ factors: [ForeignFactors], architecture: String, interleavedHeadWidth: Int?,
    as type: ForeignElementType, to path: String
  ) throws(CheckpointError) {
    let alpha = factors.first?.alpha ?? 0
    var writer = GGUFWriter()
    writer.add("general.architecture", .text(architecture))
    writer.add("general.type", .text("adapter"))
    writer.add("adapter.type", .text("lora"))
    writer.add("adapter.lora.alpha", .single(Float(alpha)))
    writer.tensors = factors.flatMap { factor in
      let ratio = alpha == 0 ? 0 : Float(factor.alpha / alpha)
      var b = factor.b.map { $0 * ratio }
      if let interleavedHeadWidth, factor.hasRotaryRows {
        b = interleaved(b, width: factor.rank, headWidth: interleavedHeadWidth)
      }
      return [
        tensor("\(factor.module).weight.lora_a", factor.a, width: factor.inputs, type),
        tensor("\(factor.module).weight.lora_b", b, width: factor.rank, type),
      ]
    }
    try writer.write(to: path)
  }

  /// Rows of `width` moved from halves to pairs.
  private static func interleaved(_ rows: [Float], width: Int, headWidth: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: rows.count) { buffer, initialised in
      rows.withUnsafeBufferPointer { halves in
        guard let target = buffer.baseAddress, let start = halves.baseAddress else { return }
        RotaryLayout.interleave(
          start, rows: rows.count / width, width: width, headWidth: headWidth, into: target)
        initialised = rows.count
      }
    }
  }

  private static func tensor(
    _ name: String, _ values: [Float], width: Int, _ type: ForeignElementType
  ) -> GGUFWriter.Tensor {
    GGUFWriter.Tensor(
      name: name, shape: [values.count / width, width], type: type,
      read: { rows, target in
        for i in 0..<rows.count * width { target[i] = values[rows.lowerBound * width + i] }
      })
  }
}
