import Reports
import Runs

extension DevicePlan {
  /// Memories of common microcontrollers, in bytes.
  private static let sizes = [256 << 10, 1 << 20]

  /// Flash and memory as tables.
  var text: String {
    var flash = Table([.init("flash, beside code"), .init("", .right)])
    flash.add(["compiled step", Format.bytes(bundleBytes)])
    flash.add(["text as tokens", Format.bytes(textBytes)])
    flash.add(["weights that are read where they lie", Format.bytes(frozenBytes)])
    flash.add(["weights that are copied before the first step", Format.bytes(copiedBytes)])
    flash.add(["all", Format.bytes(flashBytes)])
    var memory = Table([.init("memory"), .init("peak", .right), .init("saves", .right)])
    var before: Int?
    for measure in waterfall.measures {
      let saved = before.map { Format.bytes($0 - measure.bytes) } ?? ""
      memory.add([measure.label, Format.bytes(measure.bytes), saved])
      before = measure.bytes
    }
    memory.add(["the arena of it, with one thread's scratch", Format.bytes(arenaBytes), ""])
    let fits = Self.sizes.map { size in
      "\(Format.bytes(size)): \(arenaBytes <= size ? "fits" : "\(Format.bytes(arenaBytes - size)) too little")"
    }
    return """
      \(flash.text)

      \(memory.text)

      of memory for the arena, \(fits.joined(separator: "; "))
      code: \(kernels.count) kernels; 'sparseft compile' and 'make' show its size
      """
  }
}
