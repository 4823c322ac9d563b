import Adaptations
import Storage
import Tensors

/// A method other than sparse back-propagation that takes part in a choice.
public struct CandidateMethod: Hashable, Sendable {
  public var adaptation: any Adaptation
  /// The method as a recipe spells it.
  public var recipe: JSONValue

  public init(_ adaptation: any Adaptation, recipe: JSONValue) {
    (self.adaptation, self.recipe) = (adaptation, recipe)
  }

  public static func == (a: CandidateMethod, b: CandidateMethod) -> Bool { a.recipe == b.recipe }

  public func hash(into hasher: inout Hasher) { hasher.combine(recipe) }
}

/// What could be trained under a budget: an update scheme, or another method.
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
    /// The largest sum of first-order gains: what AdamW's first step on one batch would take off the
    /// loss of others, which a scan of gradients knows of every tensor at once.
    case firstOrder
    /// Linear maps drawn at random: a control.
    case random
    /// `value`, `output` and `down` of as many blocks as possible: much depth for little arithmetic.
    case spread
    /// A method other than sparse back-propagation.
    case method
  }

  /// What trains, in words.
  public var label: String
  /// Tensor path → share of its output rows; empty for another method.
  public var scheme: [String: Double]
  /// Nil for an update scheme.
  public var method: CandidateMethod?
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

  /// A method other than sparse back-propagation.
  public init(label: String, _ method: CandidateMethod, cost: SchemeCost) {
    self.init(label: label, scheme: [:], cost: cost, kind: .method)
    self.method = method
  }

  /// Whether what trains are low-rank factors, whose rates differ from those of whole tensors.
  var rateFamily: RateFamily { method?.adaptation.rateFamily ?? .tensors }

  /// A sentence stating what trains and what it costs.
  public var explanation: String {
    let share = formatted(100 * cost.flopsShare, decimals: 0)
    let price = "\(share) % of full fine-tuning's arithmetic, \(ByteCount(cost.bytes))"
    if kind == .method { return "\(label): \(price)" }
    let rule = kind == .contributions ? "" : "a fixed rule "
    return "\(label), \(rule)filled to the budget: \(price)"
  }
}
