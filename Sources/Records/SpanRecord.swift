import Storage

/// The span test of an audit.
public struct SpanRecord: JSONRecord {
  /// The places whose differences were decomposed, from the lowest up.
  public var places: [Place] = []
  /// The search at the last of them; nil where the test is not applicable.
  public var search: Search?
  /// What that means, in a sentence.
  public var text = ""

  /// The difference of matrices that read the same input.
  public struct Place: JSONRecord {
    public var tensors: [String]
    public var rows: Int
    public var columns: Int
    public var rank: Int
    /// The rank at which a span is the whole space.
    public var bound: Int
    /// The least singular value of the rank over the next; nil for infinite.
    public var gap: Double?
    public var isApplicable: Bool

    public init(
      tensors: [String], rows: Int, columns: Int, rank: Int, bound: Int, gap: Double?,
      isApplicable: Bool
    ) {
      (self.tensors, self.rows, self.columns) = (tensors, rows, columns)
      (self.rank, self.bound, self.gap) = (rank, bound, gap)
      self.isApplicable = isApplicable
    }

    public init(_ json: JSONValue) {
      self.init(
        tensors: (json["tensors"]?.array ?? []).compactMap(\.string), rows: json.int("rows"),
        columns: json.int("columns"), rank: json.int("rank"), bound: json.int("bound"),
        gap: json["gap"]?.double, isApplicable: json.bool("applicable"))
    }

    public var json: JSONValue {
      [
        "tensors": .array(tensors.map { .string($0) }), "rows": .int(rows),
        "columns": .int(columns), "rank": .int(rank), "bound": .int(bound), "gap": .optional(gap),
        "applicable": .bool(isApplicable),
      ]
    }
  }

  /// Sequences of tokens that were found in the span, against those of the texts.
  public struct Search: JSONRecord {
    /// Tokens of the longest sequences; 1 where tokens were found without their neighbours.
    public var length: Int
    /// How many were found, and how many of the text's there are.
    public var found: Int
    public var real: Int
    /// Found ones that are the text's.
    public var hits: Int
    /// Found ones that are in as many windows of the other text, at most.
    public var controlHits: Int
    /// The nearest to the span, as many as it has dimensions, and those of them that are the
    /// text's, or the other text's.
    public var nearest: Int
    public var nearestHits: Int
    public var nearestControlHits: Int
    /// The largest residual of a found one.
    public var threshold: Double
    /// Whether what is found is the text's, beyond what the other text shares with it.
    public var leaks = false

    public init(
      length: Int, found: Int, real: Int, hits: Int, controlHits: Int, nearest: Int,
      nearestHits: Int, nearestControlHits: Int, threshold: Double
    ) {
      (self.length, self.found, self.real, self.hits) = (length, found, real, hits)
      (self.controlHits, self.nearest, self.nearestHits) = (controlHits, nearest, nearestHits)
      (self.nearestControlHits, self.threshold) = (nearestControlHits, threshold)
    }

    /// The share of the found ones that are the text's; nil where nothing was found.
    public var precision: Double? { share(hits, of: found) }
    /// The share of the text's that was found; nil for a text without any.
    public var recall: Double? { share(hits, of: real) }
    /// The share of the found ones that the other text has.
    public var controlPrecision: Double? { share(controlHits, of: found) }
    /// The share of the nearest that are the text's, and the other text's.
    public var nearestPrecision: Double? { share(nearestHits, of: nearest) }
    public var nearestControlPrecision: Double? { share(nearestControlHits, of: nearest) }

    private func share(_ part: Int, of whole: Int) -> Double? {
      whole > 0 ? Double(part) / Double(whole) : nil
    }

    public init(_ json: JSONValue) {
      self.init(
        length: json.int("length"), found: json.int("found"), real: json.int("real"),
        hits: json.int("hits"), controlHits: json.int("control_hits"),
        nearest: json.int("nearest"), nearestHits: json.int("nearest_hits"),
        nearestControlHits: json.int("nearest_control_hits"), threshold: json.double("threshold"))
      leaks = json.bool("leaks")
    }

    public var json: JSONValue {
      [
        "leaks": .bool(leaks), "length": .int(length), "found": .int(found), "real": .int(real),
        "hits": .int(hits), "precision": .optional(precision), "recall": .optional(recall),
        "control_hits": .int(controlHits), "control_precision": .optional(controlPrecision),
        "nearest": .int(nearest), "nearest_hits": .int(nearestHits),
        "nearest_precision": .optional(nearestPrecision),
        "nearest_control_hits": .int(nearestControlHits), "threshold": .number(threshold),
      ]
    }
  }

  public init() {}

  public init(_ json: JSONValue) {
    places = json.records("places")
    search = json["search"].flatMap { $0.object == nil ? nil : Search($0) }
    text = json.string("text")
  }

  public var json: JSONValue {
    [
      "applicable": .bool(search != nil), "text": .string(text),
      "places": .array(places.map(\.json)), "search": search?.json ?? .null,
    ]
  }
}
