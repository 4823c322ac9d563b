import Storage

/// How many windows' continuations a model gives, from their beginnings.
public struct ExtractionRecord: JSONRecord {
  /// Tokens given, and tokens that must follow.
  public var prompt: Int
  public var continuation: Int
  /// By model and text.
  public var rows: [Row]

  public struct Row: JSONRecord {
    /// Whether the delta is applied, and whether the text is the trained one.
    public var hasDelta: Bool
    public var isTrained: Bool
    public var windows: Int
    /// Windows whose continuation greedy decoding gives word for word.
    public var greedy: Int
    /// Windows whose continuation at least one of so many samples gives, with a probability of a
    /// half or more (Hayes et al. 2024); by the number of samples.
    public var sampled: [Sampled]

    public struct Sampled: JSONRecord {
      public var samples: Int
      public var windows: Int

      public init(samples: Int, windows: Int) { (self.samples, self.windows) = (samples, windows) }
      public init(_ json: JSONValue) {
        self.init(samples: json.int("samples"), windows: json.int("windows"))
      }
      public var json: JSONValue { ["samples": .int(samples), "windows": .int(windows)] }
    }

    public init(hasDelta: Bool, isTrained: Bool, windows: Int, greedy: Int, sampled: [Sampled]) {
      (self.hasDelta, self.isTrained, self.windows) = (hasDelta, isTrained, windows)
      (self.greedy, self.sampled) = (greedy, sampled)
    }

    public init(_ json: JSONValue) {
      self.init(
        hasDelta: json.bool("delta"), isTrained: json.bool("trained_text"),
        windows: json.int("windows"), greedy: json.int("greedy"),
        sampled: json.records("sampled"))
    }

    public var json: JSONValue {
      [
        "delta": .bool(hasDelta), "trained_text": .bool(isTrained), "windows": .int(windows),
        "greedy": .int(greedy), "sampled": .array(sampled.map(\.json)),
      ]
    }
  }

  public init(prompt: Int, continuation: Int, rows: [Row]) {
    (self.prompt, self.continuation, self.rows) = (prompt, continuation, rows)
  }

  /// Nil for anything but an object.
  public init?(_ json: JSONValue) {
    guard json.object != nil else { return nil }
    self.init(
      prompt: json.int("prompt"), continuation: json.int("continuation"),
      rows: json.records("rows"))
  }

  /// The windows of a text that are extracted greedily from a model; nil where it was not tried.
  public func row(hasDelta: Bool, isTrained: Bool) -> Row? {
    rows.first { $0.hasDelta == hasDelta && $0.isTrained == isTrained }
  }

  public var json: JSONValue {
    [
      "prompt": .int(prompt), "continuation": .int(continuation),
      "rows": .array(rows.map(\.json)),
    ]
  }
}
