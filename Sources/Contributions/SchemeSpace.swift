import Compilation
import Models
import Tensors

extension LinearKind {
  /// The order in which a block is filled: kinds that the backward pass reaches first come first.
  static let fillingOrder: [LinearKind] = [.down, .gate, .up, .output, .value, .query, .key]

  var fillingRank: Int { Self.fillingOrder.firstIndex(of: self) ?? 0 }
}

/// A linear map of a block.
struct LinearTensor: Hashable, Comparable {
  var layer: Int
  var kind: LinearKind

  var path: String { kind.path(layer: layer) }

  /// From the top down; within a block in the filling order.
  static func < (one: Self, other: Self) -> Bool {
    (-one.layer, one.kind.fillingRank) < (-other.layer, other.kind.fillingRank)
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

/// An item that can be chosen: a tensor, and the share of its output rows.
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

/// The items that may be chosen in a model, linear maps and the head, and the schemes that sets of
/// them stand for.
public struct SchemeSpace: Sendable {
  /// The name of the output projection, also where it is tied to the embedding.
  public static let head = ParameterRole.head.rawValue

  let layers: Int
  /// Shares of the head, of which at most one is chosen; empty if the head is not available.
  public let headShares: [Double]
  private let names: Set<String>
  private let reach: BackwardReach
  private let tensorsByPath: [String: LinearTensor]

  /// - Parameter headShares: shares of the head's rows that may be trained.
  public init(_ configuration: ModelConfiguration, headShares: [Double] = []) {
    layers = configuration.layers
    names = Set(configuration.parameters.map(\.name))
    reach = BackwardReach(
      configuration.model.traceLoss(batch: 1, tokens: 1, from: 0, elementType: { _ in .f32 }))
    self.headShares = headShares
    let tensors = (0..<configuration.layers).flatMap { layer in
      LinearKind.fillingOrder.map { LinearTensor(layer: layer, kind: $0) }
    }
    tensorsByPath = Dictionary(
      tensors.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Linear maps from the top down.
  var tensors: [LinearTensor] { blocks(layers) }

  /// Items whose contribution can be measured: the head's shares, linear maps from the top down.
  public var items: [SchemeItem] {
    headShares.map { SchemeItem(Self.head, share: $0) } + tensors.map { SchemeItem($0.path) }
  }

  /// Tensors of the last blocks, from the top down.
  func blocks(_ count: Int, _ kinds: [LinearKind] = LinearKind.fillingOrder) -> [LinearTensor] {
    (layers - count..<layers).reversed().flatMap { layer in
      kinds.map { LinearTensor(layer: layer, kind: $0) }
    }
  }

  /// Linear maps that the backward pass goes through before a tensor: 0 for the last block's `down`.
  func depth(_ tensor: LinearTensor) -> Int { reach.depths[tensor.path] ?? 0 }

  /// The depth of the deepest tensor; nil without any.
  func cut(_ set: UpdateSet) -> Int? { set.tensors.map(depth).max() }

  /// Path → share of everything that trains when items are chosen, as in a candidate's `scheme`.
  ///
  /// - Parameter items: elements of `items`, the head at most once.
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
  /// the gains of the norms that the backward pass crosses anyway.
  ///
  /// A norm below the deepest of the tensors would extend the backward pass by the matmuls above
  /// it, for next to no gain once matrices train, so it stays frozen.
  func scheme(_ set: UpdateSet) -> [String: Double] {
    var scheme: [String: Double] = [:]
    for tensor in set.tensors {
      scheme[tensor.path] = 1
      let bias = ParameterPath(layer: tensor.layer, ParameterRole.linear(tensor.kind).bias)
      if names.contains(bias.description) { scheme[bias.description] = 1 }
    }
    if let head = set.head { scheme[Self.head] = head }
    for gain in reach.gains(crossedBy: set.tensors.map(\.path)) { scheme[gain] = 1 }
    return scheme
  }
}
