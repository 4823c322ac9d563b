import Storage
import TestSupport
import Testing

/// Runs of the program in which the system refuses one request for memory or for a thread.
struct RefusedRequests {
  /// Whose requests, as `Faults/failing_allocations.c` names them.
  let kind: String
  private let shop: Workshop
  private let library: String

  init(_ kind: String, _ shop: Workshop) throws {
    self.kind = kind
    self.shop = shop
    library = try shop.compileFault("failing_allocations", "-shared -fPIC -ldl")
  }

  /// - Parameter number: of the request that is refused; 0 for none.
  func run(_ arguments: [String], refusing number: Int) throws -> Outcome {
    try runner(["FAULT_CALL": "\(number)"]).run(arguments)
  }

  /// Runs the program without a fault.
  ///
  /// - Returns: what came of it, the number of its requests, and those to refuse: the first and the
  ///   last of each way that it came to one, or `count` of them.
  func requests(
    of arguments: [String], sample count: Int
  ) throws -> (outcome: Outcome, total: Int, chosen: [Int]) {
    let places = shop.folder["places"]
    let outcome = try runner(["FAULT_PLACES": places]).run(arguments)
    let lines = String(decoding: try shop.folder.read("places"), as: UTF8.self).split(
      separator: "\n")
    let total = lines.first.flatMap { Int($0) } ?? 0
    let numbers = lines.dropFirst().flatMap { $0.split(separator: " ").compactMap { Int($0) } }
    return (outcome, total, Self.sample(Set(numbers).sorted(), count))
  }

  /// All of the numbers, or as many of them at equal distances.
  static func sample(_ numbers: [Int], _ count: Int) -> [Int] {
    guard !Workshop.triesAllFaults, numbers.count > count else { return numbers }
    return (0..<count).map { numbers[(2 * $0 + 1) * numbers.count / (2 * count)] }
  }

  private func runner(_ variables: [String: String]) -> ProgramRunner {
    var runner = shop.sparseft
    runner.environment = [
      "LD_PRELOAD": library, "FAULT_KIND": kind, "SWIFT_BACKTRACE": "enable=no",
    ]
    .merging(variables) { own, _ in own }
    return runner
  }
}
