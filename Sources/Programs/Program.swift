import Tensors

/// A compiled step: a flat list of kernel calls over numbered buffers with fixed places.
///
/// Plain data: printable, comparable and Codable, and nothing in it needs the compiler to run.
public struct Program: Hashable, Codable, Sendable {
  public var buffers: [Buffer]
  public var calls: [KernelCall]
  /// Where the caller writes inputs and reads outputs.
  public var ports: [ProgramPort]
  /// Bytes of the arena, persistent buffers first.
  public var arenaBytes: Int
  /// Bytes at the arena's start that keep their contents from run to run.
  public var persistentBytes: Int

  public init(
    buffers: [Buffer], calls: [KernelCall], ports: [ProgramPort] = [], arenaBytes: Int,
    persistentBytes: Int
  ) {
    self.buffers = buffers
    self.calls = calls
    self.ports = ports
    self.arenaBytes = arenaBytes
    self.persistentBytes = persistentBytes
  }

  /// Scratch that each thread needs: the most that any call asks for, in bytes.
  public var scratchBytesPerThread: Int { calls.map(\.scratchBytes).max() ?? 0 }

  /// Floating-point operations of one micro-batch, without the per-step calls.
  public var bodyFlops: Int { calls.reduce(0) { $1.part == .body ? $0 + $1.flops : $0 } }

  /// The port of that name, or nil.
  public func port(named name: String) -> ProgramPort? { ports.first { $0.name == name } }
}

extension Program: CustomStringConvertible {
  /// The program as text, one buffer or call per line; equal programs print equally.
  public var description: String {
    var lines = ["program: arena \(arenaBytes) bytes, \(persistentBytes) of them persistent"]
    for (index, buffer) in buffers.enumerated() {
      let place =
        switch buffer.location {
        case .arena(let offset): "arena+\(offset)"
        case .external: "external"
        }
      lines.append("  b\(index) \(buffer.kind) \(buffer.name) \(buffer.byteCount) bytes \(place)")
    }
    for call in calls {
      let operands = call.buffers.map { view in
        guard let view else { return "-" }
        return view.byteOffset == 0 ? "b\(view.buffer)" : "b\(view.buffer)+\(view.byteOffset)"
      }
      let kernel = call.encoded
      var line = "  \(call.part) \(call.phase) \(kernel.name)(\(operands.joined(separator: ", ")))"
      line += " sizes \(kernel.sizes) scalars \(kernel.scalars) items \(call.items)/\(call.grain)"
      if call.slices > 1 { line += " slices \(call.slices)" }
      lines.append(line)
    }
    return lines.joined(separator: "\n")
  }
}
