import Storage

/// How well made-up secrets are known to a model that was trained on them like the delta.
public struct ExposureRecord: JSONRecord {
  /// Secrets that could have been in the text.
  public var candidates: Int
  public var rows: [Row]

  /// One secret in one shadow run.
  public struct Row: JSONRecord {
    /// Which shadow run.
    public var shadow: Int
    /// How often it stood in the text.
    public var repeats: Int
    /// Its place among the candidates by loss, from 1.
    public var rank: Int
    /// log₂ candidates − log₂ rank, in bits (Carlini et al. 2019).
    public var bits: Double

    public init(shadow: Int, repeats: Int, rank: Int, bits: Double) {
      (self.shadow, self.repeats, self.rank, self.bits) = (shadow, repeats, rank, bits)
    }

    public init(_ json: JSONValue) {
      self.init(
        shadow: json.int("shadow"), repeats: json.int("repeats"), rank: json.int("rank"),
        bits: json.double("bits"))
    }

    public var json: JSONValue {
      [
        "shadow": .int(shadow), "repeats": .int(repeats), "rank": .int(rank),
        "bits": .number(bits),
      ]
    }
  }

  public init(candidates: Int, rows: [Row]) { (self.candidates, self.rows) = (candidates, rows) }

  /// Nil for anything but an object.
  public init?(_ json: JSONValue) {
    guard json.object != nil else { return nil }
    self.init(candidates: json.int("candidates"), rows: json.records("rows"))
  }

  public var json: JSONValue {
    ["candidates": .int(candidates), "rows": .array(rows.map(\.json))]
  }
}
