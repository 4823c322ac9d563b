import Adaptations
import Checkpoints
import Programs
import Tensors

/// What of deltas is computed beside the weights instead of merged into them: hidden units, ladders,
/// and low-rank factors where the caller wants it.
struct DeltaBranches {
  private var factors: [ChangesBesideWeights.Factors] = []
  private var units: [ChangesBesideWeights.Units] = []
  private var ladders: [ChangesBesideWeights.Ladder] = []
  private var tensors: [String: StoredTensor] = [:]

  /// - Parameter keepsFactors: leave the factors of matrices that the checkpoint stores in a type
  ///   narrower than f32 and that the deltas change by low-rank factors only.
  /// - Throws: `CheckpointError` for tensors that are no part of a ladder.
  init(
    _ deltas: [(delta: Delta, scale: Double)], beside checkpoint: Checkpoint, keepsFactors: Bool
  ) throws(CheckpointError) {
    for (index, (delta, scale)) in deltas.enumerated() {
      guard let ladder = try DeltaLadder(delta, checkpoint.configuration) else { continue }
      add(ladder, scale: scale, index)
    }
    let entries = deltas.flatMap { delta, scale in delta.entries.map { (entry: $0, scale: scale) } }
    let others = Set(entries.filter { $0.entry.encoding != .lowRank }.map(\.entry.name))
    for (index, (entry, scale)) in entries.enumerated() {
      switch entry.encoding {
      case .hiddenUnits: add(units: entry, scale: scale, index)
      case .lowRank where keepsFactors && !others.contains(entry.name):
        guard let matrix = checkpoint.tensor(entry.name), matrix.elementType != .f32,
          ParameterPath(entry.name)?.layer != nil
        else { continue }
        add(factors: entry, scale: scale, index)
      default: continue
      }
    }
  }

  private mutating func add(factors entry: DeltaEntry, scale: Double, _ index: Int) {
    let names = add(entry.tensors, index)
    factors.append(
      ChangesBesideWeights.Factors(
        matrix: entry.name, a: names[0], b: names[1], rank: entry.tensors[0].shape[0],
        scale: scale * entry.scale, elementType: entry.tensors[0].elementType))
  }

  private mutating func add(units entry: DeltaEntry, scale: Double, _ index: Int) {
    guard let layer = ParameterPath(entry.name)?.layer else { return }
    let names = add(entry.tensors, index)
    units.append(
      ChangesBesideWeights.Units(
        layer: layer, gate: names[0], up: names[1], down: names[2], count: entry.rows.count,
        scale: scale))
  }

  private mutating func add(_ ladder: DeltaLadder, scale: Double, _ index: Int) {
    var names: [LadderTensor: String] = [:]
    for (tensor, stored) in ladder.tensors { names[tensor] = add([stored], index)[0] }
    ladders.append(ChangesBesideWeights.Ladder(names: names, width: ladder.width, scale: scale))
  }

  /// Keeps tensors under names of their own; several deltas may have some of the same name.
  private mutating func add(_ stored: [StoredTensor], _ index: Int) -> [String] {
    stored.map { tensor in
      let name = "\(tensor.name).\(index)"
      tensors[name] = tensor
      return name
    }
  }

  /// The matrices that stay in the type in which the checkpoint stores them.
  var matrices: Set<String> { Set(factors.map(\.matrix)) }

  /// The adaptation that inserts the branches into a traced pass.
  var adaptation: any Adaptation {
    tensors.isEmpty
      ? NoAdaptation()
      : ChangesBesideWeights(factors: factors, units: units, ladders: ladders)
  }

  /// The address of the tensor of that name; nil if there is none.
  func address(of name: String) -> UnsafeRawPointer? { tensors[name]?.data.baseAddress }

  /// The address of the row scales of an int8 tensor; nil if there are none.
  func scales(of name: String) -> UnsafeRawPointer? {
    tensors[name]?.scales?.baseAddress.map { UnsafeRawPointer($0) }
  }
}
