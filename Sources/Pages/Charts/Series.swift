/// Points of one quantity in the order of x; a y that is not finite is a gap.
struct Series {
  var label: String
  /// Which of the palette's colours.
  var colour: Int
  var points: [(x: Double, y: Double)]
  var form: Form
  /// Index of the point that is ringed: the best one.
  var marked: Int?
  /// Whether the line's end has its label beside it.
  var isLabelled: Bool

  enum Form {
    /// A full line.
    case line
    /// A thin, light line: single steps behind their mean.
    case faint
    /// A line with a dot at each point.
    case dots
    /// A broken line: a plan.
    case dashed
  }

  init(
    _ label: String, colour: Int, points: [(x: Double, y: Double)], form: Form = .line,
    marked: Int? = nil, isLabelled: Bool = true
  ) {
    (self.label, self.colour, self.points) = (label, colour, points)
    (self.form, self.marked, self.isLabelled) = (form, marked, isLabelled)
  }
}

extension Series {
  /// At most four points for each of so many equally wide stretches of x: the first, the lowest, the
  /// highest and the last one, so that no extreme is lost. Points that are not finite become one
  /// gap of a stretch.
  func thinned(to stretches: Int) -> Series {
    guard points.count > 4 * stretches, let low = points.first?.x, let high = points.last?.x,
      high > low
    else { return self }
    var result = self
    result.points = []
    var bucket: [(x: Double, y: Double)] = []
    var current = -1
    func place(_ x: Double) -> Int {
      let share = (x - low) / (high - low)
      return share.isFinite ? min(stretches - 1, max(0, Int(share * Double(stretches)))) : 0
    }
    for point in points {
      let place = place(point.x)
      if place != current {
        result.points += Self.extremes(bucket)
        bucket = []
        current = place
      }
      bucket.append(point)
    }
    result.points += Self.extremes(bucket)
    if let marked, points.indices.contains(marked) {
      let kept = points[marked]
      result.marked = result.points.firstIndex { $0.x == kept.x && $0.y == kept.y }
    }
    return result
  }

  private static func extremes(_ bucket: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
    guard bucket.count > 4 else { return bucket }
    let finite = bucket.indices.filter { bucket[$0].y.isFinite }
    guard let low = finite.min(by: { bucket[$0].y < bucket[$1].y }),
      let high = finite.max(by: { bucket[$0].y < bucket[$1].y })
    else { return [bucket[0]] }
    var kept = Set([low, high, finite[0], finite[finite.count - 1]])
    if let gap = bucket.firstIndex(where: { !$0.y.isFinite }) { kept.insert(gap) }
    return kept.sorted().map { bucket[$0] }
  }

  /// The mean of the finite values of so many points up to each one.
  func smoothed(over width: Int) -> Series {
    guard width > 1 else { return self }
    var result = self
    var (sum, count) = (0.0, 0)
    var window: [Double] = []
    var head = 0
    result.points = points.map { point in
      window.append(point.y)
      if point.y.isFinite {
        sum += point.y
        count += 1
      }
      if window.count - head > width {
        let left = window[head]
        head += 1
        if left.isFinite {
          sum -= left
          count -= 1
        }
      }
      return (point.x, count > 0 && point.y.isFinite ? sum / Double(count) : .nan)
    }
    return result
  }
}
