import Storage

/// How well windows of the trained text are told from others by what the model says of them.
public struct MembershipRecord: JSONRecord {
  public var members: Int
  public var nonMembers: Int
  public var measures: [Measure]

  /// One score of a window, larger for members.
  public struct Measure: JSONRecord {
    public var name: String
    /// The probability that a member's score is above a non-member's, with a 95 % interval.
    public var area: Double
    public var low: Double
    public var high: Double
    /// The share of members above all but 1 % of non-members; nil with too few of these.
    public var truePositiveRate: Double?
    /// The windows that have the score.
    public var members: Int
    public var nonMembers: Int
    /// Whether the base alone has the same figure: then the texts differ, whatever was trained.
    public var isControl: Bool

    public init(
      name: String, members: Int, nonMembers: Int, area: Double, low: Double, high: Double,
      truePositiveRate: Double? = nil, isControl: Bool = false
    ) {
      (self.name, self.area, self.low, self.high) = (name, area, low, high)
      (self.members, self.nonMembers) = (members, nonMembers)
      (self.truePositiveRate, self.isControl) = (truePositiveRate, isControl)
    }

    /// Nil if the name is missing.
    public init?(_ json: JSONValue) {
      guard let name = json["name"]?.string else { return nil }
      self.init(
        name: name, members: json.int("members"), nonMembers: json.int("non_members"),
        area: json.double("auc"), low: json.double("low"), high: json.double("high"),
        truePositiveRate: json["tpr_at_1_percent"]?.double, isControl: json.bool("control"))
    }

    public var json: JSONValue {
      [
        "name": .string(name), "members": .int(members), "non_members": .int(nonMembers),
        "auc": .number(area), "low": .number(low), "high": .number(high),
        "tpr_at_1_percent": .optional(truePositiveRate), "control": .bool(isControl),
      ]
    }
  }

  public init(members: Int, nonMembers: Int, measures: [Measure]) {
    (self.members, self.nonMembers, self.measures) = (members, nonMembers, measures)
  }

  /// Nil for anything but an object.
  public init?(_ json: JSONValue) {
    guard json.object != nil else { return nil }
    self.init(
      members: json.int("members"), nonMembers: json.int("non_members"),
      measures: json.records("measures"))
  }

  public var json: JSONValue {
    [
      "members": .int(members), "non_members": .int(nonMembers),
      "measures": .array(measures.map(\.json)),
    ]
  }
}
