/// Decoding checks the whole bundle before any of its programs can run.
extension ProgramBundle: Codable {
  /// The version of the format that this code writes and reads.
  public static let formatVersion = 1

  private enum CodingKeys: String, CodingKey {
    case version, arenaBytes, scratchBytesPerThread, kernels, shared, programs
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.formatVersion, forKey: .version)
    try container.encode(arenaBytes, forKey: .arenaBytes)
    try container.encode(scratchBytesPerThread, forKey: .scratchBytesPerThread)
    try container.encode(kernels, forKey: .kernels)
    try container.encode(shared, forKey: .shared)
    try container.encode(programs, forKey: .programs)
  }

  /// - Throws: `DecodingError` that says what is wrong with the bundle.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let version = try container.decode(Int.self, forKey: .version)
    func require(_ holds: Bool, _ key: CodingKeys, _ problem: @autoclosure () -> String) throws {
      guard holds else {
        throw DecodingError.dataCorruptedError(
          forKey: key, in: container, debugDescription: problem())
      }
    }
    try require(
      version == Self.formatVersion, .version,
      "version \(version) of the format, expected \(Self.formatVersion)")
    self.init(try container.decode([Entry].self, forKey: .programs))
    if let problem { try require(false, .programs, problem) }
    let found = try container.decode([SharedBuffer].self, forKey: .shared)
    try require(found == shared, .shared, "another layout than the programs have")
    let kernels = try container.decode([String].self, forKey: .kernels)
    try require(kernels == self.kernels, .kernels, "other kernels than the programs call")
    let bytes = try container.decode(Int.self, forKey: .arenaBytes)
    try require(bytes == arenaBytes, .arenaBytes, "\(bytes), but programs need \(arenaBytes)")
    let scratch = try container.decode(Int.self, forKey: .scratchBytesPerThread)
    try require(
      scratch == scratchBytesPerThread, .scratchBytesPerThread,
      "\(scratch), but programs need \(scratchBytesPerThread)")
  }

  /// The first problem found in the programs, or nil.
  private var problem: String? {
    if Set(programs.map(\.role)).count != programs.count { return "two programs of one role" }
    let names = shared.map(\.name)
    if Set(names).count != names.count { return "programs disagree on a shared buffer's place" }
    for entry in programs {
      if let problem = entry.program.problem { return "\(entry.role): \(problem)" }
    }
    return nil
  }
}

extension Program {
  /// Why the program would read or write outside its memory, or nil.
  fileprivate var problem: String? {
    guard (0...arenaBytes).contains(persistentBytes) else { return "more persists than there is" }
    for buffer in buffers {
      guard buffer.byteCount >= 0 else { return "buffer '\(buffer.name)' of negative size" }
      guard case .arena(let offset) = buffer.location else { continue }
      let end = buffer.isPersistent ? persistentBytes : arenaBytes
      guard offset >= 0, offset <= end, buffer.byteCount <= end - offset else {
        return "buffer '\(buffer.name)' is outside the arena"
      }
    }
    for call in calls {
      for case let view? in call.buffers {
        guard buffers.indices.contains(view.buffer),
          (0...buffers[view.buffer].byteCount).contains(view.byteOffset)
        else { return "a call of \(call.kernel) is outside its buffers" }
      }
      guard call.items >= 0, call.grain > 0, call.slices > 0, call.scratchBytes >= 0 else {
        return "a call of \(call.kernel) can't be shared out"
      }
    }
    for port in ports {
      guard buffers.indices.contains(port.buffer) else {
        return "port '\(port.name)' has no buffer"
      }
    }
    return nil
  }
}
