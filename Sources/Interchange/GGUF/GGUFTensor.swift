/// A tensor of a GGUF file's table, checked to lie within the file.
struct GGUFTensor: Sendable {
  /// The name, such as "blk.0.attn_q.weight".
  let name: String
  let type: GGUFElementType
  /// The extents, outermost first; files list them innermost first.
  let shape: [Int]
  /// Where its bytes lie in the file.
  let range: Range<Int>

  /// Elements of a row.
  var rowWidth: Int { shape.last ?? 1 }
  /// Bytes of a row.
  var rowBytes: Int { rowWidth / type.blockElements * type.blockBytes }
}
