/// How long things of one kind took.
struct MeanTime {
  var count = 0
  var seconds = 0.0

  var mean: Double { seconds / Double(max(1, count)) }

  mutating func add(_ seconds: Double, count: Int = 1) {
    self.count += count
    self.seconds += seconds
  }
}
