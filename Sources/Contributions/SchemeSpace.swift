import Configurations

/// The linear maps of a block, in the order in which a block is filled.
public enum LinearKind: Int, CaseIterable, Hashable, Sendable {
  case down, gate, up, output, value, query, key

  /// Steps of the backward pass from the block's top: what is trained at one stage needs no
  /// gradient of the stage's input.
  var stage: Int {
    switch self {
    case .down: 0
    case .gate, .up: 1
    case .output: 2
    case .value, .query, .key: 3
    }
  }

  static let stages = 4

  /// "down", "query" ….
  public var name: String { "\(self)" }

  /// As `TensorPlace` has it: "mlp.down", "attention.query" ….
  var tensorKind: String { "\(stage < 2 ? "mlp" : "attention").\(name)" }

  func path(layer: Int) -> String { "layers[\(layer)].\(tensorKind)" }
}

/// A linear map of a block.
struct LinearTensor: Hashable, Comparable {
  var layer: Int
  var kind: LinearKind

  var path: String { kind.path(layer: layer) }

  /// From the top down, within a block in the order of filling.
  static func < (one: Self, other: Self) -> Bool {
    (-one.layer, one.kind.rawValue) < (-other.layer, other.kind.rawValue)
  }
}

/// Chosen linear maps, and a share of the head.
struct UpdateSet: Hashable {
  var tensors: Set<LinearTensor>
  /// Share of the head's rows that trains; nil if it does not.
  var head: Double?

  init(_ tensors: some Sequence<LinearTensor>, head: Double? = nil) {
    self.tensors = Set(tensors)
    self.head = head
  }

  var isEmpty: Bool { tensors.isEmpty && head == nil }

  func adding(_ more: some Sequence<LinearTensor>) -> UpdateSet {
    UpdateSet(tensors.union(more), head: head)
  }
}

/// Something that can be chosen: a tensor, and the share of its output rows.
public struct SchemeItem: Hashable, Sendable {
  /// The tensor's path, or "head".
  public var path: String
  /// In (0, 1].
  public var share: Double

  public init(_ path: String, share: Double = 1) {
    self.path = path
    self.share = share
  }
}

/// What may be chosen in a model: linear maps and the head; and the whole schemes that choices stand for.
public struct SchemeSpace: Sendable {
  /// The name of the output projection, also where it is tied to the embedding.
  public static let head = "head"

  let layers: Int
  /// Shares of the head that may be chosen, at most one of them; empty if it is not available.
  public let headShares: [Double]
  private let names: Set<String>
  private let tensorsByPath: [String: LinearTensor]

  /// - Parameter headShares: shares of the head's rows that may be trained.
  public init(_ configuration: ModelConfiguration, headShares: [Double] = []) {
    layers = configuration.layers
    names = Set(configuration.parameters.map(\.name))
    self.headShares = headShares
    let tensors = (0..<configuration.layers).flatMap { layer in
      LinearKind.allCases.map { LinearTensor(layer: layer, kind: $0) }
    }
    tensorsByPath = Dictionary(
      tensors.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Linear maps from the top down.
  var tensors: [LinearTensor] { blocks(layers) }

  /// What a contribution can be measured of: the head's shares, linear maps from the top down.
  public var items: [SchemeItem] {
    headShares.map { SchemeItem(Self.head, share: $0) } + tensors.map { SchemeItem($0.path) }
  }

  /// Tensors of the last blocks, from the top down.
  func blocks(_ count: Int, _ kinds: [LinearKind] = LinearKind.allCases) -> [LinearTensor] {
    (layers - count..<layers).reversed().flatMap { layer in
      kinds.map { LinearTensor(layer: layer, kind: $0) }
    }
  }

  /// Stages of the backward pass above a tensor: 0 for the last block's `down`.
  func depth(_ tensor: LinearTensor) -> Int {
    (layers - 1 - tensor.layer) * LinearKind.stages + tensor.kind.stage
  }

  /// The depth of the deepest tensor; nil without any.
  func cut(_ set: UpdateSet) -> Int? { set.tensors.map(depth).max() }

  /// Path → share of everything that trains with items, as in `scheme` of a candidate.
  ///
  /// - Parameter items: of `items`, the head at most once.
  public func scheme(_ items: some Sequence<SchemeItem>) -> [String: Double] {
    scheme(set(items))
  }

  func set(_ items: some Sequence<SchemeItem>) -> UpdateSet {
    var set = UpdateSet([LinearTensor]())
    for item in items {
      if let tensor = tensorsByPath[item.path] {
        set.tensors.insert(tensor)
      } else {
        precondition(item.path == Self.head && set.head == nil, "'\(item.path)' can't be chosen")
        set.head = item.share
      }
    }
    return set
  }

  /// Path → share of everything that trains with a set: the tensors and their biases, the head, and
  /// the gains of the norms that the backward pass goes through anyway.
  ///
  /// A norm below the deepest stage would lengthen the pass by the products of that stage, for next
  /// to no gain once matrices train, so it stays frozen.
  func scheme(_ set: UpdateSet) -> [String: Double] {
    var scheme: [String: Double] = [:]
    for tensor in set.tensors {
      scheme[tensor.path] = 1
      if names.contains(tensor.path + ".bias") { scheme[tensor.path + ".bias"] = 1 }
    }
    if let head = set.head { scheme[Self.head] = head }
    guard let cut = cut(set) else { return scheme }
    scheme["norm"] = 1
    for layer in 0..<layers {
      let top = (layers - 1 - layer) * LinearKind.stages
      if cut > top + LinearKind.up.stage { scheme["layers[\(layer)].mlp_norm"] = 1 }
      if cut > top + LinearKind.key.stage { scheme["layers[\(layer)].attention_norm"] = 1 }
    }
    return scheme
  }
}
