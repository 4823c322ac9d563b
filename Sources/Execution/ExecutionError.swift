import Tensors

/// Why a program can't be run here.
public enum ExecutionError: Failure, Equatable {
  case libraryMissing(problem: String)
  case libraryOutOfMemory
  case instructionSetUnknown(name: String, known: [String])
  case instructionSetUnsupported(name: String, best: String)
  /// Nil where it is unknown how much there is.
  case outOfMemory(bytes: Int, available: Int?)
  case threads(Int, cores: Int)
  /// The system starts no more threads.
  case threadsRefused(Int)
  case unbound(buffer: String)
  case programMissing(role: String)
  case portMissing(name: String)
  case portType(name: String, found: ElementType, expected: ElementType)
  case unknownKernel(name: String)
  /// A call that would touch memory outside its buffers, and how.
  case badCall(String)

  public var category: FailureCategory {
    switch self {
    case .libraryMissing: .missingInput
    case .instructionSetUnknown, .instructionSetUnsupported, .threads: .usage
    case .libraryOutOfMemory, .outOfMemory, .threadsRefused: .inputOutput
    case .unbound, .programMissing, .portMissing, .portType, .unknownKernel, .badCall: .bug
    }
  }

  public var description: String {
    switch self {
    case .libraryMissing(let problem):
      "can't load OpenBLAS: \(problem); install it with 'apt-get install libopenblas0-pthread'"
    case .libraryOutOfMemory: "loading OpenBLAS: out of memory; free some and try again"
    case .instructionSetUnknown(let name, let known):
      "SPARSEFT_ISA is '\(name)', expected one of \(known.joined(separator: ", "))"
    case .instructionSetUnsupported(let name, let best):
      "SPARSEFT_ISA asks for '\(name)', but this CPU has at most '\(best)'"
    case .outOfMemory(let bytes, let available):
      "can't reserve \(ByteCount(bytes)) of memory"
        + (available.map { ": \(ByteCount($0)) are free" } ?? "")
        + "; shorter or fewer windows at a time take less, and so does training fewer tensors"
    case .threads(let count, let cores):
      "\(count) threads asked for, expected 1 to \(WorkerPool.mostThreads(cores: cores)): this "
        + "process may use \(cores) cores, and more threads than cores only wait for each other"
    case .threadsRefused(let count):
      "the system refuses to start \(count) threads; ask for fewer, or raise its limit (ulimit -u)"
    case .unbound(let buffer): "buffer '\(buffer)' is bound to nothing"
    case .programMissing(let role): "the bundle has no program for \(role)"
    case .portMissing(let name): "the program has no port '\(name)'"
    case .portType(let name, let found, let expected):
      "the program's port '\(name)' has \(found) elements, expected \(expected)"
    case .unknownKernel(let name): "no kernel is named '\(name)'"
    case .badCall(let problem): "the program can't run: \(problem)"
    }
  }
}
