import Datasets
import Tensors
import Training

/// A sum of losses and the number of its targets.
struct ScoredSum: Hashable {
  /// In nats.
  var loss: Double
  var targets: Int
}

/// Scores the continuations of sequences, several of them in one window.
struct SequenceScores {
  private let sequences: [TaskSequence]
  /// Which sequences stand in each window, in order.
  private let windows: [[Int]]
  /// Ids that a window holds.
  let windowLength: Int

  /// Windows are no shorter than this, so that short sequences share them.
  private static let shortestWindow = 128

  /// Places sequences into windows, the longest first, each into the first that has room.
  init(_ sequences: [TaskSequence]) {
    self.sequences = sequences
    let longest = sequences.map(\.inputs).max() ?? 1
    windowLength = max(Self.shortestWindow, (longest + 7) / 8 * 8)
    var windows: [[Int]] = []
    var room: [Int] = []
    var firstOpen = 0
    let order = sequences.indices.sorted {
      (-sequences[$0].inputs, $0) < (-sequences[$1].inputs, $1)
    }
    let shortest = order.last.map { sequences[$0].inputs } ?? 0
    for index in order {
      let length = sequences[index].inputs
      while firstOpen < room.count, room[firstOpen] < shortest { firstOpen += 1 }
      let place = (firstOpen..<room.count).first { room[$0] >= length } ?? room.count
      if place == room.count {
        windows.append([])
        room.append(windowLength)
      }
      windows[place].append(index)
      room[place] -= length
    }
    self.windows = windows
  }

  /// The summed loss of each sequence's continuation; nil if `shouldStop`, which is asked before
  /// every batch, said so.
  func losses(_ session: Session, unless shouldStop: () -> Bool) -> [Double]? {
    let shape = session.step.shape
    var losses = [Double](repeating: 0, count: sequences.count)
    for first in stride(from: 0, to: windows.count, by: shape.windows) {
      if shouldStop() { return nil }
      let rows = windows[first..<min(first + shape.windows, windows.count)]
      for (row, members) in rows.enumerated() { fill(session, row: row, members) }
      for row in rows.count..<shape.windows { session.clear(row: row) }
      let values = session.scoreTokens()
      for (row, members) in rows.enumerated() {
        var start = row * shape.tokens
        for member in members {
          let sequence = sequences[member]
          let scored = values[start + sequence.scoredFrom - 1..<start + sequence.inputs]
          losses[member] = scored.reduce(0) { $0 + Double($1) }
          start += sequence.inputs
        }
      }
    }
    return losses
  }

  private func fill(_ session: Session, row: Int, _ members: [Int]) {
    let length = session.step.shape.tokens
    var (tokens, targets, starts): ([Int32], [Int32], [Int32]) = ([], [], [])
    for member in members {
      let sequence = sequences[member]
      let start = Int32(tokens.count)
      tokens += sequence.ids.dropLast()
      targets += (1..<sequence.ids.count).map { $0 < sequence.scoredFrom ? -1 : sequence.ids[$0] }
      starts += [Int32](repeating: start, count: sequence.inputs)
    }
    let padding = length - tokens.count
    starts += [Int32](repeating: Int32(tokens.count), count: padding)
    tokens += [Int32](repeating: 0, count: padding)
    targets += [Int32](repeating: -1, count: padding)
    session.fill(row: row, tokens: tokens, targets: targets, documentStarts: starts)
  }
}
