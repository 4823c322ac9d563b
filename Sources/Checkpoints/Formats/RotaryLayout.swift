/// The order of query and key rows within a head. A rotary position turns pairs of rows: ours are
/// (i, i + hw/2), "halves"; llama2.c's are (2i, 2i + 1), "interleaved".
enum RotaryLayout {
  /// The interleaved row that becomes `row` of the halves layout; both count over all heads.
  static func interleavedRow(ofHalves row: Int, headWidth: Int) -> Int {
    let (head, place) = row.quotientAndRemainder(dividingBy: headWidth)
    let half = headWidth / 2
    return head * headWidth + (place < half ? 2 * place : 2 * (place - half) + 1)
  }
}
