import Adaptations
import Checkpoints
import Programs
import Tensors

/// Low-rank factors of deltas that are not merged into their matrices.
struct DeltaFactors {
  private var branches: [FactorsBesideWeights.Branch] = []
  private var tensors: [String: StoredTensor] = [:]

  /// No factors.
  init() {}

  /// The factors of matrices that the checkpoint stores in a type narrower than f32 and that the
  /// deltas change by low-rank factors only.
  init(_ deltas: [(delta: Delta, scale: Double)], beside checkpoint: Checkpoint) {
    let entries = deltas.flatMap { delta, scale in delta.entries.map { (entry: $0, scale: scale) } }
    let others = Set(entries.filter { $0.entry.encoding != .lowRank }.map(\.entry.name))
    for (index, (entry, scale)) in entries.enumerated() where !others.contains(entry.name) {
      guard let matrix = checkpoint.tensor(entry.name), matrix.elementType != .f32,
        ParameterPath(entry.name)?.layer != nil
      else { continue }
      let (a, b) = (entry.tensors[0], entry.tensors[1])
      let names = (a: "\(entry.name).lora_a.\(index)", b: "\(entry.name).lora_b.\(index)")
      tensors[names.a] = a
      tensors[names.b] = b
      branches.append(
        FactorsBesideWeights.Branch(
          matrix: entry.name, a: names.a, b: names.b, rank: a.shape[0],
          scale: scale * entry.scale, elementType: a.elementType))
    }
  }

  /// The matrices that stay in the type in which the checkpoint stores them.
  var matrices: Set<String> { Set(branches.map(\.matrix)) }

  /// The adaptation that inserts the factors into a traced pass.
  var adaptation: any Adaptation {
    branches.isEmpty ? NoAdaptation() : FactorsBesideWeights(branches)
  }

  /// The address of the factor of that name; nil if there is none.
  func address(of name: String) -> UnsafeRawPointer? { tensors[name]?.data.baseAddress }

  /// The address of the row scales of an int8 factor; nil if there are none.
  func scales(of name: String) -> UnsafeRawPointer? {
    tensors[name]?.scales?.baseAddress.map { UnsafeRawPointer($0) }
  }
}
