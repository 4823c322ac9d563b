extension DeltaWriter {
  /// Copies a delta's weights bit for bit, and of what else it holds only what they need: the base's
  /// hash and configuration and the entries. The copy is another delta to `Delta.identity`.
  ///
  /// - Returns: the content hash.
  /// - Throws: `CheckpointError`.
  @discardableResult
  public static func strip(_ delta: Delta, to path: String) throws(CheckpointError) -> String {
    let base = DeltaBase(of: delta)
    return try write(
      to: path, base: base, description: [:],
      parts: delta.entries.map { DeltaPart.copies(of: $0, named: $0.name, base) })
  }
}
