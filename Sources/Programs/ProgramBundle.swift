/// The programs of one arena as data that can be written, sent, read back and run with the same
/// results. Besides the bundle only the checkpoint that its buffers name is needed.
///
/// A kernel's id is its name in `sft_kernels.def`.
public struct ProgramBundle: Hashable, Sendable {
  /// What a program is for.
  public enum Role: String, Codable, Sendable, CaseIterable {
    /// A training step.
    case training
    /// A forward pass without updates.
    case validation
    /// The forward pass of the lowest blocks, frozen, which training and validation share.
    case prefix
  }

  /// One of the programs.
  public struct Entry: Hashable, Codable, Sendable {
    public var role: Role
    public var program: Program
    /// The only backend that may compute f32 matmuls; nil: any.
    public var backend: ProductBackend?

    public init(_ role: Role, _ program: Program, backend: ProductBackend? = nil) {
      self.role = role
      self.program = program
      self.backend = backend
    }
  }

  /// A place in the arena that keeps its contents between runs and across the programs that use it.
  public struct SharedBuffer: Hashable, Codable, Sendable {
    public var name: String
    public var kind: BufferKind
    public var offset: Int
    public var byteCount: Int
  }

  /// In the order in which they are bound, at most one per role.
  public let programs: [Entry]
  /// The layout that the programs share, by place.
  public let shared: [SharedBuffer]
  /// Every kernel that a call may run, in any variant of its matmul; sorted.
  public let kernels: [String]
  /// Bytes of the arena without the threads' scratch.
  public let arenaBytes: Int
  /// Scratch that each thread needs, in bytes.
  public let scratchBytesPerThread: Int

  public init(_ programs: [Entry]) {
    self.programs = programs
    shared = Self.sharedBuffers(programs)
    kernels = Set(programs.flatMap(\.program.calls).flatMap(\.possibleKernels)).sorted()
    arenaBytes = programs.map(\.program.arenaBytes).max() ?? 0
    scratchBytesPerThread = programs.map(\.program.scratchBytesPerThread).max() ?? 0
  }

  /// The program of that role, or nil.
  public subscript(role: Role) -> Program? {
    programs.first { $0.role == role }?.program
  }

  private static func sharedBuffers(_ programs: [Entry]) -> [SharedBuffer] {
    var shared = Set<SharedBuffer>()
    for buffer in programs.flatMap(\.program.buffers) where buffer.isPersistent {
      guard case .arena(let offset) = buffer.location else { continue }
      shared.insert(
        SharedBuffer(
          name: buffer.name, kind: buffer.kind, offset: offset, byteCount: buffer.byteCount))
    }
    return shared.sorted { ($0.offset, $0.name) < ($1.offset, $1.name) }
  }
}

extension KernelCall {
  /// Names of the kernels that compute the call, in any of its variants.
  fileprivate var possibleKernels: [String] {
    matrixProduct == nil ? [kernel] : variants.map { computed($0).kernel }
  }
}
