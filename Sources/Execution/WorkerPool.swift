import CKernels
import CRuntime
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// The one owner of threads, those of the executor in C: divides a call's items among them into
/// slices, always the same slices for the same count, so that results repeat exactly.
public final class WorkerPool: @unchecked Sendable {
  /// Threads that compute, the caller's included.
  public let threads: Int
  let handle: OpaquePointer

  /// Cores that this process may use, as far as the system tells.
  public static var cores: Int {
    let online = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    // A mask in hexadecimal digits, with commas between groups.
    guard let mask = SystemTable("/proc/self/status").text("Cpus_allowed:") else { return online }
    let allowed = mask.compactMap(\.hexDigitValue).reduce(0) { $0 + $1.nonzeroBitCount }
    return allowed > 0 ? min(allowed, online) : online
  }

  /// The most threads that are accepted: more than cores wait for each other, and with many times as
  /// many nothing moves.
  public static func mostThreads(cores: Int) -> Int { min(1024, 16 * cores) }

  /// - Throws: `ExecutionError.threads` for a count outside 1...`mostThreads`, `.threadsRefused` if
  ///   they can't be started, `.outOfMemory`.
  public init(threads: Int) throws(ExecutionError) {
    let cores = Self.cores
    guard (1...Self.mostThreads(cores: cores)).contains(threads) else {
      throw .threads(threads, cores: cores)
    }
    var opened: OpaquePointer?
    var error = sft_error()
    guard sft_pool_open(Int64(threads), &opened, &error) == SFT_OK, let opened else {
      guard error.status == SFT_OUT_OF_MEMORY else { throw .threadsRefused(threads) }
      throw .outOfMemory(bytes: threads * MemoryLayout<sft_job>.stride, available: nil)
    }
    (self.threads, handle) = (threads, opened)
  }

  deinit { sft_pool_close(handle) }

  /// Runs one call on all threads and returns when it is done. Only one thread may call it at a
  /// time.
  package func run(_ job: WorkerJob) {
    var job = job.job
    sft_pool_run(handle, &job)
  }
}

/// One call to be sliced over the threads.
package struct WorkerJob {
  fileprivate let job: sft_job

  /// - Parameters:
  ///   - grain: slices start at multiples of this.
  ///   - scratch: the threads' scratch, `scratchStride` bytes from one's to the next one's.
  ///   - slicesPerThread: with more than one, a thread whose core was taken away for a while can do
  ///     less than the others.
  package init(
    function: @escaping sft_kernel, call: UnsafePointer<sft_call>, items: Int, grain: Int,
    scratch: UnsafeMutableRawPointer?, scratchStride: Int, slicesPerThread: Int = 1
  ) {
    job = sft_job(
      function: function, call: call, items: Int64(items), grain: Int64(grain),
      slices: Int64(slicesPerThread), scratch: scratch, scratch_stride: Int64(scratchStride))
  }
}
