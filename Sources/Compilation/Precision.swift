import Graphs
import Operations
import Programs
import Tensors

/// What the matmuls of a step multiply; they sum in f32 (int8 products: exactly) in any case.
public enum Precision: String, Codable, Sendable, CaseIterable {
  /// f32 operands; values are kept in f32.
  case f32
  /// Operands rounded to bf16, and values between matmuls stored in bf16. The residual stream,
  /// its gradient, norms' statistics, logits and gradients of parameters stay f32.
  case bf16
  /// As bf16; in addition, matmuls of the checkpoint's matrices with activations and with gradients
  /// quantise the latter row by row and multiply integers, while weight gradients stay bf16 matmuls
  /// (SwitchBack, Wortsman et al. 2023). Weights that are not int8 are quantised while they are
  /// packed; trained ones by the largest magnitudes that their rows have when a step begins, or,
  /// where they are int8 themselves, by their own scales.
  case int8
}

extension Graph {
  /// Rewrites matmuls for a precision: values touched only by matmuls and operations with bf16
  /// kernels become bf16; other operands of matmuls are rounded before them.
  package mutating func apply(_ precision: ProductPrecision) {
    guard precision.base != .f32 else { return }
    retype(bf16Values())
    roundProductOperands()
    if precision.base == .int8 { quantiseProducts(except: precision.keptInBF16) }
  }

  /// Node results that every node touching them allows in bf16, and with them their whole group.
  private func bf16Values() -> Set<ValueID> {
    var allowed: [ValueID: Int] = [:]
    var groups: [[ValueID]] = []
    for node in nodes {
      guard let operation = node.operation as? any BF16Operation else { continue }
      for group in operation.bf16Groups {
        let values = group.compactMap { place -> ValueID? in
          switch place {
          case .operand(let index): node.operands[index]
          case .result(let index): node.results.indices.contains(index) ? node.results[index] : nil
          }
        }
        groups.append(values)
        for value in values { allowed[value, default: 0] += 1 }
      }
    }
    var places: [ValueID: Int] = [:]
    for id in nodes.flatMap({ $0.operands + $0.results }) + outputs.map(\.value) {
      places[id, default: 0] += 1
    }
    var found = Set(
      allowed.compactMap { id, count -> ValueID? in
        guard case .node = self[id].source, places[id] == count, type(of: id).elementType == .f32
        else { return nil }
        return id
      })
    var size = -1
    while found.count != size {
      size = found.count
      for group in groups where !group.allSatisfy(found.contains) { found.subtract(group) }
    }
    return found
  }

  private mutating func retype(_ found: Set<ValueID>) {
    for id in found { self[id].type = TensorType(type(of: id).shape, .bf16) }
    for position in nodes.indices {
      guard var operation = nodes[position].operation as? any BF16Operation,
        nodes[position].results.first.map(found.contains) == true
      else { continue }
      operation.resultType = .bf16
      nodes[position].operation = operation
    }
  }

  /// Rounds f32 values that matmuls read, each once.
  private mutating func roundProductOperands() {
    var rounded: [ValueID: ValueID] = [:]
    var result: [Node] = []
    for var node in nodes {
      for index in (node.operation as? any BF16Operation)?.productOperands ?? []
      where type(of: node.operands[index]).elementType == .f32 {
        let operand = node.operands[index]
        if rounded[operand] == nil {
          let rounding = makeNode(ToBF16(), [operand], phase: node.phase, part: node.part)
          result.append(rounding)
          rounded[operand] = rounding.results[0]
        }
        node.operands[index] = rounded[operand] ?? operand
      }
      result.append(node)
    }
    nodes = result
  }

  /// Whether a value is a matrix of the checkpoint, or consecutive rows of one; low-rank factors
  /// and selected rows are not.
  func isStoredMatrix(_ id: ValueID) -> Bool { storedMatrix(id) != nil }

  /// The checkpoint's tensor that a value is, or consecutive rows of it; nil if it is no matrix of
  /// the checkpoint.
  func storedMatrix(_ id: ValueID) -> String? {
    guard case .parameter(let parameter) = self[id].source,
      case .checkpoint(let tensor, _) = parameter.initial, type(of: id).shape.rank == 2
    else { return nil }
    return tensor
  }

  private mutating func quantiseProducts(except kept: Set<String>) {
    for position in nodes.indices {
      guard var operation = nodes[position].operation as? any QuantisingOperation,
        operation.canQuantise
      else { continue }
      let matrices = nodes[position].operands.compactMap(storedMatrix)
      guard !matrices.isEmpty, kept.isDisjoint(with: matrices) else { continue }
      operation.quantises = true
      nodes[position].operation = operation
    }
  }
}
