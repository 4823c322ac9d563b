import Storage

/// The three kinds of files that hold named tensors, told apart by their first eight bytes.
public enum TensorFileKind: String, Sendable, CaseIterable {
  /// All weights of a model, its configuration and its tokenizer: `.sfckpt`.
  case checkpoint
  /// The changes that fine-tuning made to a checkpoint: `.sfdelta`.
  case delta
  /// An optimizer's moments and counters, to resume a run.
  case trainingState = "training state"

  /// The file's first eight bytes. They include a line ending, which exposes transfers that rewrote
  /// the file as text.
  var magic: [UInt8] {
    switch self {
    case .checkpoint: Array("SFCKPT\r\n".utf8)
    case .delta: Array("SFDELT\r\n".utf8)
    case .trainingState: Array("SFSTAT\r\n".utf8)
    }
  }

  /// The format versions that are read; the last one is written.
  var versions: ClosedRange<UInt32> {
    switch self {
    case .checkpoint: 1...2
    case .delta, .trainingState: 1...1
    }
  }

  /// The kind given by a file's first bytes; nil for any other file or one that can't be read. Maps
  /// nothing, so that files are told apart where no memory is left.
  public static func detect(path: String) -> TensorFileKind? {
    guard let start = FileStart.bytes(path, count: 8) else { return nil }
    return allCases.first { start.elementsEqual($0.magic) }
  }
}
