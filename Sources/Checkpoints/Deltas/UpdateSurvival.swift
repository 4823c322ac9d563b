import Tensors

/// How much of an update is left where merged tensors are stored in fewer bits than they are
/// computed in.
///
///     share = Σ (r(merged) − r(base))·Δ / Σ Δ²        Δ = merged − base, r: as stored
///
/// This is the update's projection on what it changes in the file: 1 where rounding only adds noise
/// that has nothing to do with the update, 0 where the steps of the element type swallow it. The
/// distance between stored and merged values would not tell these two apart: weights that are rounded
/// for the first time move much further than a small update does, and still keep it.
///
/// Of few weights, noise alone moves the share: by its standard error, √(Σ e²Δ²) / Σ Δ² with
/// e = r(merged) − r(base) − Δ. A share that two of these could have moved is not held against it.
public struct UpdateSurvival: Sendable {
  /// The sums over one tensor, or over several.
  struct Sums: Sendable {
    /// Σ Δ².
    var update = 0.0
    /// Σ (r(merged) − r(base))·Δ.
    var kept = 0.0
    /// Σ e²Δ².
    var spread = 0.0
    /// Σ (r(merged) − merged)², over the rows that the update changes.
    var noise = 0.0

    /// The share that is left; 1 without an update.
    var share: Double { update > 0 ? kept / update : 1 }

    /// How far the share is from 1, less what noise may have done.
    var loss: Double {
      update > 0 ? max(0, (1 - share).magnitude - 2 * spread.squareRoot() / update) : 0
    }

    /// Adds the sums of other weights.
    mutating func add(_ other: Sums) {
      update += other.update
      kept += other.kept
      spread += other.spread
      noise += other.noise
    }
  }

  /// The least share that passes without being asked for; as far above 1, the largest.
  static let required = 0.95
  /// Shares from here on are not worth a word where the element type has floating points.
  private static let unremarkable = 0.995

  /// Every tensor that is rounded.
  private(set) var tensors: [(name: String, sums: Sums)] = []
  private var total = Sums()
  /// Names of the types that tensors are rounded to.
  private var types: Set<String> = []
  /// Whether all of these have exponents of their own.
  private var areFloats = true

  /// The share of the whole update that is left; above 1 where rounding makes it larger.
  public var share: Double { total.share }

  /// How far rounding moves the changed rows, in lengths of the update.
  public var noise: Double { total.update > 0 ? (total.noise / total.update).squareRoot() : 0 }

  /// The tensor with the share that is surely furthest from 1; nil if nothing is rounded.
  public var worst: (tensor: String, share: Double)? {
    tensors.max { $0.sums.loss < $1.sums.loss }.map { ($0.name, $0.sums.share) }
  }

  /// Refuses an update that is not the same any more.
  ///
  /// - Parameters:
  ///   - output: the path that is to be written.
  ///   - next: what else can be done.
  /// - Throws: `CheckpointError.updateLost`.
  public func check(output: String, next: String) throws(CheckpointError) {
    guard total.loss > 1 - Self.required, let worst else { return }
    throw .updateLost(
      output: output, type: typeNames, share: share, tensor: worst.tensor,
      tensorShare: worst.share, next: next)
  }

  private var typeNames: String { types.sorted().joined(separator: " and ") }

  /// Whether any tensor is rounded to that type.
  public func includes(_ type: String) -> Bool { types.contains(type) }

  /// What to say of it; nil where it is not worth a word: next to nothing is lost in a type with
  /// floating points.
  public var line: String? {
    guard total.update > 0, !areFloats || (1 - share).magnitude > 1 - Self.unremarkable else {
      return nil
    }
    return
      "stored in \(typeNames), \(formatted(100 * share, decimals: 1)) % of the update is left; "
      + "rounding moves the changed rows \(formatted(noise, decimals: 2)) times as far as the update "
      + "does"
  }

  mutating func add(_ name: String, _ sums: Sums, _ rounding: RowRounding) {
    guard sums.update > 0 else { return }
    types.insert(rounding.typeName)
    areFloats = areFloats && rounding.isFloat
    tensors.append((name, sums))
    total.add(sums)
  }
}

/// What storing rows of a tensor makes of them.
public struct RowRounding {
  /// The element type's name.
  public let typeName: String
  /// Whether its elements have exponents of their own.
  public let isFloat: Bool
  /// Replaces rows by what is read back of them.
  public let round: (_ values: UnsafeMutablePointer<Float>, _ rows: Int) -> Void

  public init(
    typeName: String, isFloat: Bool,
    round: @escaping (_ values: UnsafeMutablePointer<Float>, _ rows: Int) -> Void
  ) {
    self.typeName = typeName
    self.isFloat = isFloat
    self.round = round
  }
}

extension DeltaMerge {
  /// Measures what is left of the deltas' update in the tensors that are stored with rounding.
  ///
  /// - Parameter rounding: how the parameter of a name is rounded; nil where its values are kept.
  /// - Returns: nil if no changed tensor is rounded.
  public func survival(rounding: (_ name: String) -> RowRounding?) -> UpdateSurvival? {
    survival(keeping: { _ in nil }, rounding: rounding)
  }

  /// - Parameter keeping: the rows of the parameter of a name that are stored as they are; nil for
  ///   none.
  private func survival(
    keeping kept: (_ name: String) -> ((_ row: Int) -> IntegerRow?)?,
    rounding: (_ name: String) -> RowRounding?
  ) -> UpdateSurvival? {
    var survival = UpdateSurvival()
    var isRounded = false
    for parameter in configuration.parameters where isTouched(parameter.name) {
      guard let rounding = rounding(parameter.name) else { continue }
      isRounded = true
      let sums = sums(of: parameter.name, rounding, keeping: kept(parameter.name))
      survival.add(parameter.name, sums, rounding)
      base.releasePages()
    }
    return isRounded ? survival : nil
  }

  /// The same for a checkpoint.
  ///
  /// - Parameter elementType: of matrices; nil for what `write` takes without one.
  public func survival(as elementType: ElementType?) -> UpdateSurvival? {
    let matrices = Set(configuration.parameters.filter(\.isMatrix).map(\.name))
    func storedType(_ name: String) -> ElementType { elementType ?? self.elementType(of: name) }
    func kept(_ name: String) -> ((_ row: Int) -> IntegerRow?)? {
      storedType(name) == .int8 ? integers(of: name) : nil
    }
    return survival(keeping: kept) { name in
      let type = storedType(name)
      guard matrices.contains(name), type == .bf16 || type == .int8 else { return nil }
      return RowEncoder.rounding(as: type, width: extents(of: name).width)
    }
  }

  private func sums(
    of name: String, _ rounding: RowRounding, keeping kept: ((_ row: Int) -> IntegerRow?)?
  ) -> UpdateSurvival.Sums {
    let (rowCount, width) = extents(of: name)
    let chunk = max(1, (1 << 16) / width)
    let capacity = min(chunk, rowCount) * width
    let buffers = (0..<4).map { _ in UnsafeMutablePointer<Float>.allocate(capacity: capacity) }
    defer { for buffer in buffers { buffer.deallocate() } }
    var sums = UpdateSurvival.Sums()
    for start in stride(from: 0, to: rowCount, by: chunk) {
      let range = start..<min(start + chunk, rowCount)
      baseRows(of: name, range, into: buffers[0])
      rows(of: name, range, into: buffers[1])
      for index in 0..<2 {
        buffers[index + 2].update(from: buffers[index], count: range.count * width)
        rounding.round(buffers[index + 2], range.count)
      }
      for row in 0..<range.count {
        if kept?(start + row) != nil {
          for index in 0..<2 {
            (buffers[index + 2] + row * width).update(
              from: buffers[index] + row * width, count: width)
          }
        }
        sums.addRow(
          base: buffers[0] + row * width, merged: buffers[1] + row * width,
          storedBase: buffers[2] + row * width, stored: buffers[3] + row * width, width: width)
      }
    }
    return sums
  }
}

extension UpdateSurvival.Sums {
  /// Adds a row; one that no delta changes adds nothing.
  mutating func addRow(
    base: UnsafePointer<Float>, merged: UnsafePointer<Float>, storedBase: UnsafePointer<Float>,
    stored: UnsafePointer<Float>, width: Int
  ) {
    var row = UpdateSurvival.Sums()
    for i in 0..<width {
      let change = Double(merged[i]) - Double(base[i])
      row.update += change * change
      let kept = Double(stored[i]) - Double(storedBase[i])
      row.kept += kept * change
      row.spread += (kept - change) * (kept - change) * change * change
      let error = Double(stored[i]) - Double(merged[i])
      row.noise += error * error
    }
    guard row.update > 0, row.kept.isFinite else { return }
    add(row)
  }
}
