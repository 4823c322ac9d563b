import Tensors

/// An update scheme that could be trained under a budget.
public struct Candidate: Hashable, Sendable {
  /// How a candidate was put together.
  public enum Kind: String, CaseIterable, Hashable, Sendable {
    /// Whole blocks from the top, then tensors of the next one: the strongest simple choice under a
    /// budget of time, since their backward pass is the shortest for what they train.
    case lastBlocks
    /// Whole blocks from the top and the head, which adds no depth to the backward pass.
    case lastBlocksWithHead
    /// `down` of as many blocks as possible, then `up`, `gate` and the attention of those blocks.
    case mlpFirst
    /// Attention and `mlp.up` of the last blocks (Zhu et al. 2023).
    case attentionAndUp
    /// The largest sum of measured contributions.
    case contributions
    /// Linear maps drawn at random: a control.
    case random
  }

  /// What trains, in words.
  public var label: String
  /// Tensor path → share of its output rows.
  public var scheme: [String: Double]
  /// The cost of its compiled step.
  public var cost: SchemeCost
  public var kind: Kind
  /// The sum of its tensors' single contributions, in the unit of the gains; nil without gains.
  /// Contributions do not add up, so the joint gain is mostly far smaller.
  public var predictedGain: Double?

  public init(
    label: String, scheme: [String: Double], cost: SchemeCost, kind: Kind,
    predictedGain: Double? = nil
  ) {
    self.label = label
    self.scheme = scheme
    self.cost = cost
    self.kind = kind
    self.predictedGain = predictedGain
  }

  /// A sentence stating what trains and what it costs.
  public var explanation: String {
    let rule = kind == .contributions ? "" : "a fixed rule "
    let share = formatted(100 * cost.flopsShare, decimals: 0)
    return "\(label), \(rule)filled to the budget: \(share) % of full fine-tuning's arithmetic, "
      + "\(ByteCount(cost.bytes))"
  }
}
