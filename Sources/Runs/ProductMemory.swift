import Execution
import Programs
import Recipes
import Records
import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// The chosen variants of matmuls on this machine: timed once, then saved in `products.json` in the
/// user's cache folder, so that runs of one build repeat bit for bit.
struct ProductMemory {
  /// A larger file was not written by this program and is not read.
  private static let byteLimit = 4 << 20
  private let folder: String
  private let machine: String

  /// Nil where this user has no cache folder.
  init?(_ kernels: Kernels, threads: Int) {
    guard let folder = Self.folder else { return nil }
    self.folder = folder
    machine = "\(Self.processor), \(kernels.instructionSet), \(threads) threads"
  }

  /// Earlier choices; none if the file can't be read.
  func read() -> [ProductDecision] { decisions(contents() ?? ProductsFile()) }

  /// Adds choices to those in the file, also other processes' ones. If that fails, the next run
  /// measures again.
  func write(_ new: [ProductDecision]) {
    try? Folder.create(folder)
    let lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard lock >= 0 else { return }
    defer { close(lock) }
    guard Self.hold(lock), var all = contents() else { return }
    var merged: [Product: ProductDecision] = [:]
    for decision in decisions(all) + new { merged[decision.product] = decision }
    let products = merged.values.sorted { $0.product < $1.product }.map(\.record)
    all[machine] = MachineProducts(build: Self.build, products: products)
    try? all.write(to: path)
  }

  /// Locks an open folder, waiting for a second at most: another process that is stopped while it
  /// holds the lock must hold up nobody else.
  private static func hold(_ descriptor: Int32) -> Bool {
    for _ in 0..<20 {
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
      guard errno == EWOULDBLOCK else { return false }
      usleep(50_000)
    }
    return false
  }

  /// This machine's choices made by this very build; another build's kernels have other timings.
  private func decisions(_ all: ProductsFile) -> [ProductDecision] {
    guard let entry = all[machine], entry.build == Self.build else { return [] }
    return entry.products.compactMap { ProductDecision($0) }
  }

  private var path: String { "\(folder)/products.json" }

  /// The file's choices for all machines that share the folder: empty if it is missing or damaged,
  /// nil if it can't be read.
  private func contents() -> ProductsFile? {
    guard Folder.exists(path) else { return ProductsFile() }
    do throws(StorageError) {
      let file = try MappedFile(path: path)
      guard file.bytes.count <= Self.byteLimit else { return ProductsFile() }
      return ProductsFile(try JSONValue.decode(file.bytes, source: path))
    } catch {
      if case .json = error { return ProductsFile() }
      return nil
    }
  }

  /// Identifies this build: version, size and modification time of the program's file.
  private static var build: String {
    var status = stat()
    guard stat("/proc/self/exe", &status) == 0 else { return Version.text }
    return "\(Version.text), \(status.st_size) bytes, \(status.st_mtim.tv_sec)"
  }

  private static var folder: String? {
    func variable(_ name: String) -> String? {
      getenv(name).map { String(cString: $0) }.flatMap { $0.hasPrefix("/") ? $0 : nil }
    }
    return (variable("XDG_CACHE_HOME") ?? variable("HOME").map { $0 + "/.cache" })
      .map { $0 + "/sparseft" }
  }

  /// The CPU's model name as the system reports it.
  static var processor: String {
    guard let file = fopen("/proc/cpuinfo", "re") else { return "unknown CPU" }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 4096)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(
        decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      let words = text.split(separator: ":", maxSplits: 1)
      guard words.count == 2, let name = words.first else { continue }
      if name.hasPrefix("model name") || name.hasPrefix("CPU part") {
        return words[1].split(whereSeparator: \.isWhitespace).joined(separator: " ")
      }
    }
    return "unknown CPU"
  }
}

extension ProductTuner {
  /// A tuner for a recipe's choice. If the recipe names a back-end, that is used, and saved choices
  /// are neither read nor written.
  convenience init(_ choice: ProductsChoice, _ kernels: Kernels, threads: Int) {
    switch choice {
    case .openblas: self.init(.fixed(.openBLAS))
    case .tiles: self.init(.fixed(.tiles))
    case .auto:
      guard let memory = ProductMemory(kernels, threads: threads) else {
        self.init(.measured)
        return
      }
      self.init(.measured, known: memory.read(), remember: { memory.write($0) })
    }
  }
}
