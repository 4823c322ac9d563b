import CKernels
import Synchronization
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// The one owner of threads: divides a call's items among them into slices, always the same slices
/// for the same count, so that results repeat exactly.
public final class WorkerPool: Sendable {
  /// Threads that compute, the caller's included.
  public let threads: Int
  private let crew: WorkerCrew
  private let handles: [pthread_t]

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
  ///   they can't be started.
  public init(threads: Int) throws(ExecutionError) {
    let cores = Self.cores
    guard (1...Self.mostThreads(cores: cores)).contains(threads) else {
      throw .threads(threads, cores: cores)
    }
    self.threads = threads
    crew = WorkerCrew(threads: threads)
    var handles: [pthread_t] = []
    for index in 1..<threads {
      guard let handle = WorkerSeat(crew: crew, index: index).start() else {
        crew.stop()
        for handle in handles { pthread_join(handle, nil) }
        throw .threadsRefused(threads)
      }
      handles.append(handle)
    }
    self.handles = handles
  }

  deinit {
    crew.stop()
    for handle in handles { pthread_join(handle, nil) }
  }

  /// Runs one call on all threads and returns when it is done. Only one thread may call it at a
  /// time.
  package func run(_ job: WorkerJob) {
    guard threads > 1, job.items > job.grain else {
      job.function(job.call, 0, Int64(job.items), job.scratch)
      return
    }
    crew.run(job)
  }
}

/// One call to be sliced over the threads.
package struct WorkerJob {
  var function: sft_kernel
  var call: UnsafePointer<sft_call>
  var items: Int
  /// Slices start at multiples of this.
  var grain: Int
  var scratch: UnsafeMutableRawPointer?
  /// Bytes from one thread's scratch to the next one's.
  var scratchStride: Int
  /// With more than one, a thread whose core was taken away for a while can do less than the
  /// others.
  var slicesPerThread: Int

  package init(
    function: sft_kernel, call: UnsafePointer<sft_call>, items: Int, grain: Int,
    scratch: UnsafeMutableRawPointer?, scratchStride: Int, slicesPerThread: Int = 1
  ) {
    self.slicesPerThread = slicesPerThread
    self.function = function
    self.call = call
    self.items = items
    self.grain = grain
    self.scratch = scratch
    self.scratchStride = scratchStride
  }

  /// Runs one of `count` slices of nearly equal size, with a thread's scratch.
  func perform(slice: Int, of count: Int, thread: Int) {
    let units = (items + grain - 1) / grain
    let begin = min(items, units * slice / count * grain)
    let end = min(items, units * (slice + 1) / count * grain)
    guard begin < end else { return }
    function(call, Int64(begin), Int64(end), scratch.map { $0 + thread * scratchStride })
  }
}

/// What a new thread is started with.
private final class WorkerSeat {
  private let crew: WorkerCrew
  private let index: Int

  init(crew: WorkerCrew, index: Int) {
    self.crew = crew
    self.index = index
  }

  func start() -> pthread_t? {
    let seat = Unmanaged.passRetained(self)
    var handle = pthread_t()
    let status = pthread_create(
      &handle, nil,
      { raw in
        guard let raw else { return nil }
        let seat = Unmanaged<WorkerSeat>.fromOpaque(raw).takeRetainedValue()
        seat.crew.work(as: seat.index)
        return nil
      }, seat.toOpaque())
    guard status == 0 else {
      seat.release()
      return nil
    }
    return handle
  }
}

/// The state that workers share. A job is published by incrementing `generation`; workers spin
/// briefly for the next one (a step is thousands of calls, microseconds apart), then sleep.
private final class WorkerCrew: @unchecked Sendable {
  private let threads: Int
  private var job: WorkerJob?
  private let generation = Atomic<Int>(0)
  private let unfinished = Atomic<Int>(0)
  /// The next slice that nobody has taken.
  private let nextSlice = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let isStopping = Atomic<Bool>(false)
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  /// Polls before a worker sleeps: some tens of microseconds.
  private static let spins = 20_000

  init(threads: Int) {
    self.threads = threads
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    pthread_cond_destroy(condition)
    mutex.deallocate()
    condition.deallocate()
  }

  func run(_ job: WorkerJob) {
    self.job = job
    nextSlice.store(0, ordering: .relaxed)
    unfinished.store(threads - 1, ordering: .relaxed)
    generation.add(1, ordering: .sequentiallyConsistent)
    wakeSleepers()
    perform(job, thread: 0)
    // A worker may have lost its core to another process: yield this one instead of spinning.
    var looks = 0
    while unfinished.load(ordering: .acquiring) > 0 {
      looks += 1
      if looks > Self.spins { sched_yield() }
    }
  }

  /// Runs the thread's own slice or, if there are more slices than threads, takes slices until none
  /// is left. Which thread takes which does not affect results: a slice's items depend only on the
  /// number of threads.
  private func perform(_ job: WorkerJob, thread: Int) {
    guard job.slicesPerThread > 1 else {
      return job.perform(slice: thread, of: threads, thread: thread)
    }
    let count = threads * job.slicesPerThread
    while true {
      let slice = nextSlice.wrappingAdd(1, ordering: .relaxed).oldValue
      if slice >= count { return }
      job.perform(slice: slice, of: count, thread: thread)
    }
  }

  func stop() {
    isStopping.store(true, ordering: .sequentiallyConsistent)
    generation.add(1, ordering: .sequentiallyConsistent)
    wakeSleepers()
  }

  func work(as index: Int) {
    var seen = 0
    while true {
      seen = nextGeneration(after: seen)
      if isStopping.load(ordering: .acquiring) { return }
      if let job { perform(job, thread: index) }
      unfinished.subtract(1, ordering: .releasing)
    }
  }

  private func nextGeneration(after seen: Int) -> Int {
    for _ in 0..<Self.spins {
      let current = generation.load(ordering: .acquiring)
      if current != seen { return current }
    }
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    sleepers.add(1, ordering: .sequentiallyConsistent)
    defer { sleepers.subtract(1, ordering: .sequentiallyConsistent) }
    while true {
      let current = generation.load(ordering: .sequentiallyConsistent)
      if current != seen { return current }
      pthread_cond_wait(condition, mutex)
    }
  }

  private func wakeSleepers() {
    guard sleepers.load(ordering: .sequentiallyConsistent) > 0 else { return }
    pthread_mutex_lock(mutex)
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }
}
