import Storage
import Tensors

/// Low-rank factors for the whole of a matrix: new = base + scale · B·A (Hu et al. 2021, eq. 3).
///
/// Stored as two tensors, A `[r, in]` under the parameter's name with `.lora_a`, B `[out, r]` with
/// `.lora_b`.
enum LowRankFactors: DeltaEncodingRules {
  static let canBeMerged = true
  static let changesOwnTensors = true

  /// Names of the stored tensors.
  static func tensorNames(of matrix: String) -> [String] {
    ["\(matrix).lora_a", "\(matrix).lora_b"]
  }

  static func read(
    _ fields: JSONFields, name: String, shapes: [String: Shape], _ container: TensorContainer
  ) throws(CheckpointError) -> DeltaEntry.Stored {
    let shape = try fields.baseShape(name, shapes[name])
    try fields.allow(["name", "encoding", "scale"])
    let scale = try fields.double("scale")
    guard shape.rank == 2 else {
      throw fields.problem("encoding", "low_rank", "values or difference for a vector")
    }
    let names = tensorNames(of: name)
    let a = try fields.tensor(names[0], container) { $0.rank == 2 && $0[1] == shape[1] }
    let b = try fields.tensor(names[1], container) { $0 == [shape[0], a.shape[0]] }
    return DeltaEntry.Stored(rows: 0..<shape[0], scale: scale, tensors: [a, b])
  }

  static func merger(of entry: DeltaEntry, scale: Double) -> any RowMerger {
    Merger(entry: entry, scale: scale * entry.scale, a: entry.tensors[0].widened())
  }

  private struct Merger: RowMerger {
    let entry: DeltaEntry
    let scale: Double
    let a: [Float]

    func add(
      row: Int, base: UnsafeMutablePointer<Float>, isFirst: Bool, to sum: inout [Double]
    ) {
      let width = sum.count
      for (r, b) in entry.storedRow(row).enumerated() {
        let factor = scale * Double(b)
        for i in 0..<width { sum[i] += factor * Double(a[r * width + i]) }
      }
    }
  }
}
