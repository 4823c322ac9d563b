import Models
import Storage
import Tensors

/// The changes that fine-tuning made to a checkpoint, in a mapped `.sfdelta` file: rows of
/// parameters or low-rank factors, bound to the base by its content hash.
public final class Delta: Sendable {
  /// The path that was opened.
  public let path: String
  /// SHA-256 of everything after the preamble, in hexadecimal digits.
  public let contentHash: String
  /// Content hash of the checkpoint that was trained.
  public let baseHash: String
  /// The configuration of that checkpoint.
  public let baseConfiguration: ModelConfiguration
  /// The fine-tuning method as the recipe spells it, without its label.
  public let method: JSONValue
  /// The training settings of the resolved recipe. Earlier versions stored the whole recipe.
  public let recipe: JSONValue
  /// Losses and other figures of the run.
  public let metrics: JSONValue
  /// The changes in file order; no two change the same row.
  public let entries: [DeltaEntry]
  private let container: TensorContainer

  /// Maps and checks a delta. Whether it fits a checkpoint is checked when it is applied.
  /// - Throws: `CheckpointError`.
  public static func open(_ path: String) throws(CheckpointError) -> Delta {
    try Delta(try TensorContainer(path: path, kind: .delta))
  }

  private init(_ container: TensorContainer) throws(CheckpointError) {
    let fields = try container.fields(["base", "method", "recipe", "metrics", "entries"])
    let base = try fields.fields("base")
    try base.allow(["content_hash", "configuration"])
    baseHash = try base.string("content_hash")
    guard baseHash.utf8.count == 64, baseHash.allSatisfy({ "0123456789abcdef".contains($0) }) else {
      throw base.problem("content_hash", .string(baseHash), "64 lower-case hexadecimal digits")
    }
    baseConfiguration = try ModelConfiguration(base.fields("configuration"))
    method = try fields.value("method")
    recipe = try fields.value("recipe")
    metrics = try fields.value("metrics")
    guard container.blobNames.isEmpty else { throw fields.problem("blobs", nil, "no blobs") }
    entries = try DeltaEntry.read(fields.list("entries"), container, baseConfiguration)
    path = container.path
    contentHash = container.contentHash
    self.container = container
  }

  /// Bytes of the whole file.
  public var byteCount: Int { container.byteCount }

  /// Number of parameters that the delta stores.
  public var storedParameters: Int {
    entries.reduce(0) { sum, entry in sum + entry.tensors.reduce(0) { $0 + $1.shape.count } }
  }

  /// Drops all pages from resident memory.
  public func releasePages() { container.releasePages() }
}
