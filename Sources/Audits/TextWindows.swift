import Datasets

/// A text as the windows that a run would train on.
public struct TextWindows {
  public let stream: TokenStream
  /// Tokens in a window.
  public let sequenceLength: Int
  /// The windows that are looked at, rising.
  public let windows: [Int]

  /// One window's ids, as a step gets them, [sequenceLength] each.
  struct Window {
    var inputs: [Int32]
    /// −1 where nothing is predicted.
    var targets: [Int32]
    var documentStarts: [Int32]
  }

  /// - Parameter windows: nil for all whole windows.
  public init(_ stream: TokenStream, sequenceLength: Int, windows: [Int]? = nil) {
    self.stream = stream
    self.sequenceLength = sequenceLength
    let count = stream.windowCount(sequenceLength: sequenceLength, includePartial: false)
    self.windows = windows ?? Array(0..<count)
  }

  /// At most so many of the windows, spread evenly.
  func spread(_ most: Int) -> TextWindows {
    guard windows.count > most else { return self }
    let kept = (0..<most).map { windows[$0 * windows.count / most] }
    return TextWindows(stream, sequenceLength: sequenceLength, windows: kept)
  }

  /// The windows that are not among some.
  func without(_ some: Set<Int>) -> TextWindows {
    TextWindows(
      stream, sequenceLength: sequenceLength, windows: windows.filter { !some.contains($0) })
  }

  subscript(window: Int) -> Window {
    var result = Window(
      inputs: Array(repeating: 0, count: sequenceLength),
      targets: Array(repeating: -1, count: sequenceLength),
      documentStarts: Array(repeating: 0, count: sequenceLength))
    result.inputs.withUnsafeMutableBufferPointer { inputs in
      result.targets.withUnsafeMutableBufferPointer { targets in
        result.documentStarts.withUnsafeMutableBufferPointer { starts in
          stream.fill(window: window, inputs: inputs, targets: targets, documentStarts: starts)
        }
      }
    }
    return result
  }

  /// The distinct tokens that the windows' positions read.
  func distinctTokens() -> Set<Int32> {
    windows.reduce(into: []) { $0.formUnion(self[$1].inputs) }
  }

  /// What attention sees at the windows' first positions, and at the first ones of documents that
  /// begin in them: sequences of 1 to `length` tokens.
  func prefixes(length: Int) -> Set<[Int32]> {
    var found: Set<[Int32]> = []
    for window in windows {
      let ids = self[window]
      for place in 0..<sequenceLength {
        let begin = Int(ids.documentStarts[place])
        guard place - begin < length else { continue }
        found.insert(Array(ids.inputs[begin...place]))
      }
    }
    return found
  }
}
