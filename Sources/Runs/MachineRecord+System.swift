import Execution
import Records

extension MachineRecord {
  /// The machine that this process is on.
  static var current: MachineRecord {
    MachineRecord(
      processor: ProductMemory.processor, cores: WorkerPool.cores,
      memoryBytes: SystemMemory.totalBytes)
  }
}
