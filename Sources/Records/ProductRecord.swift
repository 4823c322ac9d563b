import Storage

/// How one matmul is computed on a machine, and the time of each variant. Kernel and variants are
/// stored by name, so that readers can ignore choices for kernels that no longer exist.
public struct ProductRecord: JSONRecord {
  public var kernel: String
  /// Matmul dimensions: m tokens, n outputs, k inputs.
  public var m: Int
  public var n: Int
  public var k: Int
  /// The chosen variant.
  public var chosen: String
  /// Seconds of each variant, the default one first; empty if none was timed.
  public var seconds: [Timing]

  /// A variant and its time.
  public struct Timing: Hashable, Sendable {
    public var variant: String
    public var seconds: Double

    public init(variant: String, seconds: Double) {
      self.variant = variant
      self.seconds = seconds
    }
  }

  public init(kernel: String, m: Int, n: Int, k: Int, chosen: String, seconds: [Timing]) {
    self.kernel = kernel
    self.m = m
    self.n = n
    self.k = k
    self.chosen = chosen
    self.seconds = seconds
  }
}

extension ProductRecord {
  /// The record as in `products.json`, `plan --json` and a run's training state.
  public var json: JSONValue {
    [
      "kernel": .string(kernel), "m": .int(m), "n": .int(n), "k": .int(k),
      "chosen": .string(chosen),
      "seconds": .object(JSONObject(seconds.map { ($0.variant, .number($0.seconds)) })),
    ]
  }

  /// Nil where kernel, a size or the choice is missing.
  public init?(_ json: JSONValue) {
    guard let kernel = json["kernel"]?.string, let m = json["m"]?.int, let n = json["n"]?.int,
      let k = json["k"]?.int, let chosen = json["chosen"]?.string
    else { return nil }
    let members = json["seconds"]?.object?.members ?? []
    self.init(
      kernel: kernel, m: m, n: n, k: k, chosen: chosen,
      seconds: members.compactMap { member in
        member.value.double.map { Timing(variant: member.key, seconds: $0) }
      })
  }
}

/// The choices made on one machine by one build; other builds' kernels have other timings.
public struct MachineProducts: JSONRecord {
  public var build: String
  public var products: [ProductRecord]

  public init(build: String, products: [ProductRecord]) {
    self.build = build
    self.products = products
  }

  public init(_ json: JSONValue) {
    self.init(build: json.string("build"), products: json.records("products"))
  }

  public var json: JSONValue {
    ["build": .string(build), "products": .array(products.map(\.json))]
  }
}

/// `products.json`: choices by machine. Entries of other machines are kept as they were written,
/// even by other versions of the program.
public struct ProductsFile: JSONRecord {
  private var machines: JSONObject

  public init() { machines = JSONObject() }

  public init(_ json: JSONValue) { machines = json.object ?? JSONObject() }

  public var json: JSONValue { .object(machines) }

  /// The machine names in file order.
  public var names: [String] { machines.keys }

  /// The choices made on a machine; nil if there are none.
  public subscript(machine: String) -> MachineProducts? {
    get { machines[machine].map { MachineProducts($0) } }
    set { machines[machine] = newValue?.json }
  }
}
