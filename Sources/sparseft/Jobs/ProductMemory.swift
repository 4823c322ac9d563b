import Execution
import Programs
import Recipes
import Storage

#if canImport(Glibc)
  import Glibc
#endif

/// How products are computed on this machine: timed once, then remembered in `products.json` of the
/// user's cache folder, so that runs repeat bit for bit. A run whose recipe names a back-end neither
/// reads nor writes it.
struct ProductMemory {
  let tuner: ProductTuner
  /// Nil where nothing is to be remembered, or there is no place for it.
  private let path: String?
  private let machine: String
  private let known: Set<ProductDecision>

  init(_ choice: ProductsChoice, kernels: Kernels, threads: Int) {
    let machine =
      "\(Self.processor), \(kernels.instructionSet), \(threads) threads, sparseft \(Version.text)"
    self.machine = machine
    switch choice {
    case .openblas: (tuner, path, known) = (ProductTuner(.fixed(.openBLAS)), nil, [])
    case .tiles: (tuner, path, known) = (ProductTuner(.fixed(.tiles)), nil, [])
    case .auto:
      path = Self.folder.map { "\($0)/products.json" }
      let decisions = path.map { Self.read($0)[machine] ?? .null }?.array ?? []
      let read = decisions.compactMap(ProductDecision.init)
      known = Set(read)
      tuner = ProductTuner(.measured, known: read)
    }
  }

  /// Writes what has been chosen since it was read. Where that fails, the next run measures again.
  func save() {
    guard let path, Set(tuner.decisions) != known else { return }
    var all = Self.read(path)
    all[machine] = .array(tuner.decisions.map(\.json))
    let folder = String(path.dropLast("/products.json".count))
    try? Folder.create(folder)
    try? AtomicFile.write(Array((JSONValue.object(all).encoded(.pretty) + "\n").utf8), to: path)
  }

  private static func read(_ path: String) -> JSONObject {
    (try? JSONValue.read(path: path))?.object ?? JSONObject()
  }

  private static var folder: String? {
    func variable(_ name: String) -> String? {
      getenv(name).map { String(cString: $0) }.flatMap { $0.hasPrefix("/") ? $0 : nil }
    }
    return (variable("XDG_CACHE_HOME") ?? variable("HOME").map { $0 + "/.cache" })
      .map { $0 + "/sparseft" }
  }

  /// The CPU's model as the system names it.
  private static var processor: String {
    guard let file = fopen("/proc/cpuinfo", "re") else { return "unknown CPU" }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 4096)
    while fgets(&line, Int32(line.count), file) != nil {
      let words = String(cString: line).split(separator: ":", maxSplits: 1)
      guard words.count == 2, let name = words.first else { continue }
      if name.hasPrefix("model name") || name.hasPrefix("CPU part") {
        return words[1].split(whereSeparator: \.isWhitespace).joined(separator: " ")
      }
    }
    return "unknown CPU"
  }
}

extension ProductDecision {
  fileprivate init?(_ json: JSONValue) {
    guard let kernel = json["kernel"]?.string, let m = json["m"]?.int, let n = json["n"]?.int,
      let k = json["k"]?.int, let variant = json["chosen"]?.string.flatMap(ProductVariant.init)
    else { return nil }
    let seconds = json["seconds"]?.object?.members ?? []
    self.init(
      product: Product(kernel: kernel, m: m, n: n, k: k), variant: variant,
      measured: seconds.compactMap { member in
        guard let variant = ProductVariant(member.key), let value = member.value.double else {
          return nil
        }
        return Measurement(variant: variant, seconds: value)
      })
  }

  /// As `products.json` and `plan --json` have it.
  var json: JSONValue {
    let seconds = measured.map { ($0.variant.description, JSONValue.number($0.seconds)) }
    return [
      "kernel": .string(product.kernel), "m": .int(product.m), "n": .int(product.n),
      "k": .int(product.k), "chosen": .string(variant.description),
      "seconds": .object(JSONObject(seconds)),
    ]
  }
}
