@_spi(_Unicode) import Swift

/// Canonical composition of texts (Unicode Standard Annex 15, form NFC).
enum CanonicalComposition {
  /// The text in the form NFC, valid UTF-8 both.
  static func composed(_ text: [UInt8]) -> [UInt8] {
    guard text.contains(where: { $0 >= 0x80 }) else { return text }
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    // The standard library's own composition. It has no public name yet, and nothing public takes
    // its place: scalars' properties hold no decompositions, and Foundation, which has it, is not
    // linked otherwise.
    for scalar in ordered(String(decoding: text, as: UTF8.self))._nfc {
      if let bytes = UTF8.encode(scalar) { result += bytes }
    }
    return result
  }

  /// Marks of one run for which sorting them in the library is still quick.
  private static let shortRun = 64

  /// The text with long runs of combining marks in canonical order. The library orders them by
  /// insertion, which takes seconds where a text is nothing but marks; of those that are in order it
  /// only looks at each.
  private static func ordered(_ text: String) -> String {
    let scalars = text.unicodeScalars
    var (run, longest) = (0, 0)
    for scalar in scalars {
      run = isMark(scalar) ? run + 1 : 0
      longest = max(longest, run)
    }
    guard longest > shortRun else { return text }
    var result = String.UnicodeScalarView()
    var marks: [Unicode.Scalar] = []
    func flush() {
      // Stable, as canonical order has to be.
      let order = marks.indices.sorted {
        let classes = (combiningClass(marks[$0]), combiningClass(marks[$1]))
        return classes.0 == classes.1 ? $0 < $1 : classes.0 < classes.1
      }
      result.append(contentsOf: order.map { marks[$0] })
      marks.removeAll(keepingCapacity: true)
    }
    for scalar in scalars {
      if isMark(scalar) {
        marks.append(scalar)
      } else {
        flush()
        result.append(scalar)
      }
    }
    flush()
    return String(result)
  }

  private static func combiningClass(_ scalar: Unicode.Scalar) -> UInt8 {
    scalar.properties.canonicalCombiningClass.rawValue
  }

  private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value >= 0x300 && combiningClass(scalar) != 0
  }
}
