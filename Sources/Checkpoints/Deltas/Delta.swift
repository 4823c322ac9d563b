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
  /// What the change is known by in whatever element type it is written again: the content hash of
  /// the file that a run wrote. Deltas that earlier versions wrote again have only their own.
  public let identity: String
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

  /// The member that holds the identity of a delta that was written again.
  static let originKey = "origin"

  /// Maps and checks a delta. Whether it fits a checkpoint is checked when it is applied.
  /// - Throws: `CheckpointError`.
  public static func open(_ path: String) throws(CheckpointError) -> Delta {
    try Delta(try TensorContainer(path: path, kind: .delta))
  }

  private init(_ container: TensorContainer) throws(CheckpointError) {
    let fields = try container.fields(
      ["base", "method", "recipe", "metrics", "entries", Self.originKey])
    let base = try fields.fields("base")
    try base.allow(["content_hash", "configuration"])
    baseHash = try base.digest("content_hash")
    let origin =
      fields.object[Self.originKey] == nil ? nil : try fields.digest(Self.originKey)
    identity = origin ?? container.contentHash
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

  /// Checks that the file is the one that was checked when it was opened.
  ///
  /// - Throws: `StorageError.changed` if it was written to since.
  public func checkUnchanged() throws(StorageError) { try container.checkUnchanged() }

  /// Drops all pages from resident memory.
  public func releasePages() { container.releasePages() }
}

extension JSONFields {
  /// A content hash.
  fileprivate func digest(_ key: String) throws(CheckpointError) -> String {
    let text = try string(key)
    guard ContentHash.isHexadecimal(text) else {
      throw problem(key, .string(text), "64 lower-case hexadecimal digits")
    }
    return text
  }
}
