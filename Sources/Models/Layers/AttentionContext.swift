import Graphs
import Tensors

/// Which earlier tokens attention can see.
enum AttentionSpan {
  /// Windows of T tokens; `starts` is where each token's document begins in its window.
  case windows(tokens: Int, starts: Traced)
  /// New tokens behind a cache of earlier keys and values.
  case cache(rows: Int, capacity: Int, position: Traced)
}

/// What attention reads in addition to the normalised residual stream.
struct AttentionContext {
  /// cos and sin of the positions' angles, [positions, hw/2].
  struct Angles {
    let cosine: Traced
    let sine: Traced
  }

  /// The angles that blocks of each reach turn by.
  private let angles: [AttentionReach: Angles]
  let span: AttentionSpan

  /// Adds the tables of angles to the graph: one, or two where local blocks have a base of their
  /// own.
  init(
    _ tracer: Tracer, _ configuration: ModelConfiguration, positions: Int, span: AttentionSpan
  ) {
    func angles(_ reach: AttentionReach, _ prefix: String) -> Angles {
      let table = RotaryTable(configuration, reach: reach, positions: positions)
      let shape: Shape = [positions, table.halfWidth]
      return Angles(
        cosine: tracer.constant("\(prefix)_cosine", shape, table.cosine),
        sine: tracer.constant("\(prefix)_sine", shape, table.sine))
    }
    let global = angles(.global, "rotary")
    let local = configuration.localRotaryBase == nil ? global : angles(.local, "local_rotary")
    self.angles = [.global: global, .local: local]
    self.span = span
  }

  func angles(_ reach: AttentionReach) -> Angles {
    guard let found = angles[reach] else { preconditionFailure("no angles for \(reach)") }
    return found
  }
}
