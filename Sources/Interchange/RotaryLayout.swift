/// The order of query and key rows within a head of width hw. Rotary embedding rotates pairs of
/// rows: here (i, i + hw/2), "halves"; in llama2.c (2i, 2i + 1), "interleaved".
enum RotaryLayout {
  /// The interleaved row that becomes `row` in the halves layout; both are indices over all heads.
  static func interleavedRow(ofHalves row: Int, headWidth: Int) -> Int {
    let (head, place) = row.quotientAndRemainder(dividingBy: headWidth)
    let half = headWidth / 2
    return head * headWidth + (place < half ? 2 * place : 2 * (place - half) + 1)
  }

  /// Moves rows of whole heads, each of `width` elements, from halves to pairs.
  static func interleave(
    _ halves: UnsafePointer<Float>, rows: Int, width: Int, headWidth: Int,
    into target: UnsafeMutablePointer<Float>
  ) {
    for row in 0..<rows {
      let place = interleavedRow(ofHalves: row, headWidth: headWidth)
      (target + place * width).update(from: halves + row * width, count: width)
    }
  }
}
