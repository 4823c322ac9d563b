import Tensors

/// A tensor of a ladder, by its name in graphs and deltas: `layers[3].ladder.tap`, `ladder.output`.
public struct LadderTensor: Hashable, Sendable {
  /// A rung's part.
  public enum Part: String, CaseIterable, Sendable { case tap, gate, up, down }

  /// The rung's block and part; nil for the ladder's output.
  public let place: (layer: Int, part: Part)?

  /// The map back to the model's residual stream.
  public static let output = LadderTensor(place: nil)

  init(_ layer: Int, _ part: Part) { self.init(place: (layer, part)) }

  private init(place: (layer: Int, part: Part)?) { self.place = place }

  private static let outputName = "ladder.output"

  /// Nil for a name of something else.
  public init?(name: String) {
    if name == Self.outputName {
      self = .output
      return
    }
    guard let path = ParameterPath(name), let layer = path.layer else { return nil }
    let part = Part.allCases.first { path.role.rawValue == "ladder.\($0.rawValue)" }
    guard let part else { return nil }
    self.init(layer, part)
  }

  public var name: String {
    guard let place else { return Self.outputName }
    return "\(ParameterPath.block(place.layer)).ladder.\(place.part.rawValue)"
  }

  /// The shapes of all tensors of a ladder.
  ///
  /// - Parameters:
  ///   - width: d; hidden layers are 2d wide.
  ///   - modelWidth: D.
  ///   - layers: the tapped blocks.
  public static func shapes(
    width: Int, modelWidth: Int, layers: some Sequence<Int>
  ) -> [LadderTensor: Shape] {
    let hidden = LadderNetwork.hiddenWidth(of: width)
    var shapes: [LadderTensor: Shape] = [.output: [modelWidth, width]]
    for layer in layers {
      shapes[LadderTensor(layer, .tap)] = [width, modelWidth]
      shapes[LadderTensor(layer, .gate)] = [hidden, width]
      shapes[LadderTensor(layer, .up)] = [hidden, width]
      shapes[LadderTensor(layer, .down)] = [width, hidden]
    }
    return shapes
  }

  public static func == (a: LadderTensor, b: LadderTensor) -> Bool { a.name == b.name }

  public func hash(into hasher: inout Hasher) { hasher.combine(name) }
}
