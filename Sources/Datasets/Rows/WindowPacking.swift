/// Windows of S inputs and S targets into which rows are packed whole, several of them in a window
/// where they fit: the longest first, each into the fullest window that has room for it (best fit
/// decreasing). Text between rows is cut into windows as a stream of its own. Places that nothing
/// fits into stay empty; no place is filled for a row's own sake.
struct WindowPacking: Sendable {
  /// Ids of the storage that stand in a window together: all but the last are inputs, all but the
  /// first are targets.
  private struct Item {
    var first: Int
    var count: Int

    /// Inputs.
    var places: Int { count - 1 }
  }

  let sequenceLength: Int
  /// Number of targets that count.
  let scoredCount: Int
  /// What packing did to the rows.
  let report: PackingReport
  /// The items, window after window.
  private let items: [Item]
  /// For each window, the index of its first item; then the number of items.
  private let firstItems: [Int]

  /// Packs the documents of a range of ids.
  /// - Parameter documents: indices of the documents that begin in the range.
  init(
    _ storage: TokenStorage, ids: Range<Int>, documents: Range<Int>, sequenceLength: Int,
    longRows: LongRows
  ) {
    precondition(sequenceLength > 0, "sequence length \(sequenceLength)")
    self.sequenceLength = sequenceLength
    var report = PackingReport()
    let found = Self.items(
      storage, ids: ids, documents: documents, sequenceLength, longRows, &report)
    var windows = Self.packed(found, sequenceLength)
    // The order of the text, roughly: by the earliest item of each window.
    windows.sort { $0[0].first < $1[0].first }
    items = windows.flatMap { $0 }
    firstItems = windows.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.count) }
    scoredCount = found.reduce(0) {
      $0 + storage.scoredCount($1.first + 1..<$1.first + $1.count)
    }
    report.sequenceLength = sequenceLength
    report.windows = windows.count
    report.emptyPlaces =
      windows.count * sequenceLength - found.reduce(0) { $0 + $1.places }
    self.report = report
  }

  /// Number of windows.
  func windowCount(sequenceLength: Int) -> Int {
    precondition(
      sequenceLength == self.sequenceLength,
      "windows of \(sequenceLength) tokens of rows packed for \(self.sequenceLength)")
    return firstItems.count - 1
  }

  /// The ids in a window.
  func ranges(window: Int) -> [Range<Int>] {
    items[firstItems[window]..<firstItems[window + 1]].map { $0.first..<$0.first + $0.count }
  }

  /// The ids in all windows, in order.
  var allRanges: [Range<Int>] { items.map { $0.first..<$0.first + $0.count } }
}

extension WindowPacking {
  /// Rows and parts of rows, and parts of the text between rows, none longer than a window.
  private static func items(
    _ storage: TokenStorage, ids: Range<Int>, documents: Range<Int>, _ length: Int,
    _ longRows: LongRows, _ report: inout PackingReport
  ) -> [Item] {
    var items: [Item] = []
    func cut(_ range: Range<Int>) {
      for start in stride(from: range.lowerBound, to: range.upperBound - 1, by: length) {
        items.append(Item(first: start, count: min(length + 1, range.upperBound - start)))
      }
    }
    var text = ids.lowerBound
    for index in documents {
      let document = storage.documents[index]
      guard document.isRow else { continue }
      let start = Int(document.start)
      let end =
        index + 1 < documents.upperBound
        ? Int(storage.documents[index + 1].start) : ids.upperBound
      cut(text..<start)
      text = end
      report.rows += 1
      if end - start <= length + 1 {
        cut(start..<end)
      } else if longRows == .split {
        report.splitRows += 1
        cut(start..<end)
      } else {
        report.droppedRows += 1
        report.lostTokens += end - start
      }
    }
    cut(text..<ids.upperBound)
    return items
  }

  private static func packed(_ items: [Item], _ length: Int) -> [[Item]] {
    var windows: [[Item]] = []
    // The windows with so many places left.
    var windowsByRoom = [[Int]](repeating: [], count: length)
    var rooms = OrderedPlaces(count: length)
    func keep(_ window: Int, _ room: Int) {
      guard room > 0 else { return }
      windowsByRoom[room].append(window)
      rooms.insert(room)
    }
    let order = items.indices.sorted {
      (items[$1].places, $0) < (items[$0].places, $1)
    }
    for index in order {
      let item = items[index]
      if let room = rooms.first(from: item.places), let window = windowsByRoom[room].popLast() {
        if windowsByRoom[room].isEmpty { rooms.remove(room) }
        windows[window].append(item)
        keep(window, room - item.places)
      } else {
        windows.append([item])
        keep(windows.count - 1, length - item.places)
      }
    }
    return windows.map { $0.sorted { $0.first < $1.first } }
  }
}

/// What packing rows into windows did to them.
public struct PackingReport: Hashable, Sendable {
  /// Tokens in a window.
  public var sequenceLength = 0
  /// Rows of JSON Lines.
  public var rows = 0
  /// Rows longer than a window that were cut.
  public var splitRows = 0
  /// Rows longer than a window that were left out.
  public var droppedRows = 0
  /// Tokens of rows that were left out.
  public var lostTokens = 0
  public var windows = 0
  /// Places of the windows that hold nothing.
  public var emptyPlaces = 0
}
