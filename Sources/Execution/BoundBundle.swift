import Programs

/// A bundle's programs, bound in one arena.
public struct BoundBundle {
  public let arena: Arena
  private let programs: [ProgramBundle.Role: BoundProgram]

  /// Allocates the arena and binds the programs in their order.
  ///
  /// - Throws: `ExecutionError` as `BoundProgram` does, and if the system refuses the memory.
  public init(
    _ bundle: ProgramBundle, pool: WorkerPool, kernels: Kernels, weights: any WeightSource
  ) throws(ExecutionError) {
    arena = try Arena(
      byteCount: BoundProgram.arenaBytes(
        for: bundle.programs.map(\.program), threads: pool.threads))
    var programs: [ProgramBundle.Role: BoundProgram] = [:]
    for entry in bundle.programs {
      var chosen = kernels
      if let backend = entry.backend { chosen.tuner = ProductTuner(.fixed(backend)) }
      programs[entry.role] = try BoundProgram(
        entry.program, in: arena, pool: pool, kernels: chosen, weights: weights)
    }
    self.programs = programs
  }

  /// The program of that role, or nil.
  public subscript(role: ProgramBundle.Role) -> BoundProgram? { programs[role] }

  /// - Throws: `ExecutionError.programMissing` if the bundle has no program of that role.
  public func program(_ role: ProgramBundle.Role) throws(ExecutionError) -> BoundProgram {
    guard let program = programs[role] else { throw .programMissing(role: role.rawValue) }
    return program
  }
}
