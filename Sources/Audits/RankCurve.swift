import Tensors

/// How well a score tells members from non-members: the area under the ROC curve, which is the
/// probability that a member's score is above a non-member's (Mann & Whitney 1947).
struct RankCurve {
  let members: [Double]
  let nonMembers: [Double]
  /// All samples' indices, members first, in order of their scores.
  private let order: [Int]

  /// - Parameters: scores, larger for what looks like a member; nan counts as the lowest.
  init(members: [Double], nonMembers: [Double]) {
    let finite = { (value: Double) in value.isNaN ? -.infinity : value }
    self.members = members.map(finite)
    self.nonMembers = nonMembers.map(finite)
    let all = self.members + self.nonMembers
    order = all.indices.sorted { all[$0] < all[$1] }
  }

  /// The area; ties count half. A half where one side is empty.
  var area: Double {
    area(weights: Array(repeating: 1, count: members.count + nonMembers.count))
  }

  /// The 95 % interval of the area: percentiles over samples drawn with replacement from both sides
  /// (Efron 1979).
  func interval(draws: Int = 1000, seed: UInt64) -> (low: Double, high: Double) {
    var random = RandomSource(seed: seed)
    var areas: [Double] = []
    for _ in 0..<draws {
      var weights = [Int](repeating: 0, count: members.count + nonMembers.count)
      for _ in members { weights[random.integer(below: members.count)] += 1 }
      for _ in nonMembers {
        weights[members.count + random.integer(below: nonMembers.count)] += 1
      }
      areas.append(area(weights: weights))
    }
    areas.sort()
    guard let first = areas.first, let last = areas.last else { return (0, 1) }
    let tail = draws / 40
    return areas.count > 2 * tail ? (areas[tail], areas[areas.count - 1 - tail]) : (first, last)
  }

  /// The share of members whose score is above all but this share of non-members'; nil for fewer
  /// than ten non-members above the line.
  func truePositiveRate(falsePositives share: Double) -> Double? {
    let allowed = Int(share * Double(nonMembers.count))
    guard allowed >= 10 else { return nil }
    let line = nonMembers.sorted(by: >)[allowed]
    return Double(members.count { $0 > line }) / Double(max(1, members.count))
  }

  /// The area with each sample counted so many times.
  private func area(weights: [Int]) -> Double {
    let count = members.count
    func score(_ index: Int) -> Double {
      index < count ? members[index] : nonMembers[index - count]
    }
    var (below, sum, memberWeight) = (0, 0.0, 0)
    var place = 0
    while place < order.count {
      // Everything with this score.
      let value = score(order[place])
      var (tiedMembers, tiedOthers) = (0, 0)
      while place < order.count, score(order[place]) == value {
        let index = order[place]
        if index < count { tiedMembers += weights[index] } else { tiedOthers += weights[index] }
        place += 1
      }
      sum += Double(tiedMembers) * (Double(below) + Double(tiedOthers) / 2)
      below += tiedOthers
      memberWeight += tiedMembers
    }
    guard memberWeight > 0, below > 0 else { return 0.5 }
    return sum / (Double(memberWeight) * Double(below))
  }
}
