import Tensors

/// Low-rank factors of several changes of one matrix as one change, exactly:
///
///     Σ c_i · B_i·A_i = c · [f_1·B_1 … f_n·B_n] · [A_1; …; A_n],  c·f_i = c_i
///
/// Ranks add up. Where all c_i are the same, c is that and every f is 1, so that factors are kept
/// bit for bit; else B_i · c_i is rounded to f32 once.
struct StackedFactors {
  /// The factors of one change.
  struct Part {
    let rank: Int
    /// Elements of a row of A.
    let width: Int
    /// Rows of A `[rank, width]`.
    let a: RowReader
    /// Rows of B `[out, rank]`.
    let b: RowReader
    /// c: what B·A is multiplied by.
    let scale: Double

    /// Factors in a file.
    init(a: StoredTensor, b: StoredTensor, scale: Double) {
      self.init(
        rank: a.rowCount, width: a.rowWidth, a: .stored(a), b: .stored(b), scale: scale)
    }

    init(rank: Int, width: Int, a: TensorSource, b: TensorSource, scale: Double) {
      (self.rank, self.width, self.scale) = (rank, width, scale)
      self.a = a.reader(rowWidth: width)
      self.b = b.reader(rowWidth: rank)
    }
  }

  private let parts: [Part]
  /// The sum of the ranks.
  let rank: Int
  /// What the product of the stacked factors is multiplied by.
  let scale: Double
  private let factors: [Double]

  init(_ parts: [Part]) {
    self.parts = parts
    rank = parts.reduce(0) { $0 + $1.rank }
    let first = parts.first?.scale ?? 1
    let agree = parts.allSatisfy { $0.scale == first }
    scale = agree ? first : 1
    factors = parts.map { agree ? 1 : $0.scale }
  }

  /// [A_1; …; A_n] `[rank, in]`.
  var a: TensorSource {
    .rows { (range, target) throws(CheckpointError) in
      var place = 0
      for part in parts {
        let own = range.clamped(to: place..<place + part.rank)
        if !own.isEmpty {
          try part.a(
            own.lowerBound - place..<own.upperBound - place,
            target + (own.lowerBound - range.lowerBound) * part.width)
        }
        place += part.rank
      }
    }
  }

  /// [f_1·B_1 … f_n·B_n] `[out, rank]`.
  var b: TensorSource { b(times: factors) }

  /// [c_1·B_1 … c_n·B_n] `[out, rank]`, for a product that nothing multiplies.
  var scaledB: TensorSource { b(times: parts.map(\.scale)) }

  private func b(times factors: [Double]) -> TensorSource {
    .rows { (range, target) throws(CheckpointError) in
      for row in range {
        var place = target + (row - range.lowerBound) * rank
        for (part, factor) in zip(parts, factors) {
          try part.b(row..<row + 1, place)
          for i in 0..<part.rank { place[i] = Float(factor * Double(place[i])) }
          place += part.rank
        }
      }
    }
  }

  /// The stacked factors as a change of the matrix of that name.
  func update(of name: String) -> DeltaUpdate {
    DeltaUpdate(name: name, content: .lowRank(rank: rank, scale: scale, a: a, b: b))
  }
}

extension DeltaEntry {
  /// The factors of an entry of encoding `lowRank`.
  ///
  /// - Parameter weight: of the entry's delta.
  func factors(weight: Double) -> StackedFactors.Part {
    StackedFactors.Part(a: tensors[0], b: tensors[1], scale: weight * scale)
  }
}

extension TensorSource {
  /// Reads rows of that many elements.
  fileprivate func reader(rowWidth: Int) -> RowReader {
    switch self {
    case .rows(let read): read
    case .integers(let rows): rows.read
    case .stored(let tensor):
      { (range, target) throws(CheckpointError) in tensor.widenRows(range, into: target) }
    case .values(let values):
      { (range, target) throws(CheckpointError) in
        let first = range.lowerBound * rowWidth
        for i in 0..<range.count * rowWidth { target[i] = values[first + i] }
      }
    }
  }
}
