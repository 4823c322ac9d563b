import CKernels
import Execution
import Tensors
import Testing

/// Counts, for every item, how often it ran and which scratch it ran with. Buffers: counts, scratch
/// numbers, first items of ranges; sizes: the scratch's stride.
private let countingKernel: sft_kernel = { call, begin, end, scratch in
  let counts = call.pointee.buffers.0?.assumingMemoryBound(to: Int32.self)
  let owners = call.pointee.buffers.1?.assumingMemoryBound(to: Int32.self)
  let starts = call.pointee.buffers.2?.assumingMemoryBound(to: Int32.self)
  let base = call.pointee.buffers.3
  guard let counts, let owners, let starts, let base, let scratch else { return }
  let owner = Int32((scratch - UnsafeMutableRawPointer(base)) / Int(call.pointee.sizes.0))
  for item in Int(begin)..<Int(end) {
    counts[item] += 1
    owners[item] = owner
    starts[item] = Int32(begin)
  }
}

/// What a pool did with the items of one call.
private struct Traces: Equatable {
  var counts: [Int32]
  var owners: [Int32]
  var starts: [Int32]
}

@Suite struct WorkerPoolTests {
  private static let stride = 64

  /// Runs a call several times and returns the sums of what happened.
  private func run(
    _ pool: WorkerPool, items: Int, grain: Int, slices: Int = 1, times: Int = 1
  ) -> Traces {
    var traces = Traces(
      counts: Array(repeating: 0, count: items), owners: Array(repeating: -1, count: items),
      starts: Array(repeating: -1, count: items))
    var scratch = [UInt8](repeating: 0, count: pool.threads * Self.stride)
    traces.counts.withUnsafeMutableBytes { counts in
      traces.owners.withUnsafeMutableBytes { owners in
        traces.starts.withUnsafeMutableBytes { starts in
          scratch.withUnsafeMutableBytes { scratch in
            var call = sft_call()
            call.buffers.0 = counts.baseAddress
            call.buffers.1 = owners.baseAddress
            call.buffers.2 = starts.baseAddress
            call.buffers.3 = scratch.baseAddress
            call.sizes.0 = Int64(Self.stride)
            withUnsafePointer(to: call) { pointer in
              for _ in 0..<times {
                pool.run(
                  WorkerJob(
                    function: countingKernel, call: pointer, items: items, grain: grain,
                    scratch: scratch.baseAddress, scratchStride: Self.stride,
                    slicesPerThread: slices))
              }
            }
          }
        }
      }
    }
    return traces
  }

  @Test(arguments: 1...4)
  func everyItemRunsOnce(_ threads: Int) throws {
    let pool = try WorkerPool(threads: threads)
    for items in [1, 2, 3, 4, 5, 7, 15, 16, 17, 31, 33, 64, 100, 257, 1000] {
      for grain in [1, 2, 3, 16, 64, 4096] {
        let traces = run(pool, items: items, grain: grain)
        #expect(traces.counts.allSatisfy { $0 == 1 }, "\(items) items of grain \(grain)")
        #expect(traces.starts.allSatisfy { Int($0) % grain == 0 })
        #expect(traces.owners.allSatisfy { 0..<Int32(threads) ~= $0 })
        // Each thread has one contiguous range, and scratch of its own.
        let ranges = Set(zip(traces.owners, traces.starts).map { [$0, $1] })
        #expect(ranges.count == Set(traces.owners).count)
        #expect(traces.owners == traces.owners.sorted())
      }
    }
  }

  @Test(arguments: 1...4)
  func thousandsOfCallsLoseNothing(_ threads: Int) throws {
    let pool = try WorkerPool(threads: threads)
    var expected = 0
    var random = RandomSource(seed: UInt64(threads))
    for _ in 0..<40 {
      let items = 1 + random.integer(below: 60)
      let times = 100
      let traces = run(pool, items: items, grain: 1 + random.integer(below: 8), times: times)
      #expect(traces.counts.allSatisfy { $0 == Int32(times) })
      expected += times
    }
    #expect(expected == 4000)
  }

  /// Sums repeat exactly because the same thread always gets the same items.
  @Test func slicesDependOnTheNumberOfThreadsOnly() throws {
    for threads in 1...4 {
      let first = run(try WorkerPool(threads: threads), items: 1000, grain: 16)
      let pool = try WorkerPool(threads: threads)
      for _ in 0..<50 { #expect(run(pool, items: 1000, grain: 16) == first) }
    }
  }

  /// With more slices than threads it is open who does which, but not where they begin.
  @Test func whoeverIsFreeTakesTheNextSlice() throws {
    for threads in 1...4 {
      let pool = try WorkerPool(threads: threads)
      let first = run(pool, items: 1000, grain: 16, slices: 3)
      #expect(threads == 1 || Set(first.starts).count == 3 * threads)
      for _ in 0..<200 {
        let again = run(pool, items: 1000, grain: 16, slices: 3)
        #expect(again.starts == first.starts)
        #expect(again.counts.allSatisfy { $0 == 1 })
        #expect(again.owners.allSatisfy { 0..<Int32(threads) ~= $0 })
      }
    }
  }

  /// Pools end their threads, whether these are at work, spinning or asleep.
  @Test func poolsComeAndGo() throws {
    for round in 0..<100 {
      let pool = try WorkerPool(threads: 1 + round % 4)
      if round % 3 > 0 {
        #expect(run(pool, items: 100, grain: 1, times: round % 3).counts[99] == Int32(round % 3))
      }
    }
  }

  @Test(arguments: [0, -1, 1025, Int.max])
  func impossibleNumbersOfThreadsAreErrors(_ threads: Int) {
    #expect(throws: ExecutionError.threads(threads, cores: WorkerPool.cores)) {
      try WorkerPool(threads: threads)
    }
  }
}
