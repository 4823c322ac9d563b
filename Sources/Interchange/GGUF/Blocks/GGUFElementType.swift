/// An element type of GGUF files.
struct GGUFElementType: Sendable {
  /// The number that stands for it in files.
  let id: UInt32
  /// ggml's name.
  let name: String
  /// Elements that share scales; rows are whole numbers of them.
  let blockElements: Int
  /// Bytes of a block.
  let blockBytes: Int
  /// Writes the values of so many blocks that follow each other.
  let widen: @Sendable (Int, UnsafeRawPointer, UnsafeMutablePointer<Float>) -> Void

  /// The types that are read, one line each.
  static let all: [GGUFElementType] = [
    F32Block.type, F16Block.type, BF16Block.type,
    Q8Zero.type, Q4Zero.type, Q4One.type, Q5Zero.type, Q5One.type,
    Q2K.type, Q3K.type, Q4K.type, Q5K.type, Q6K.type,
    IQ4NL.type, IQ4XS.type, MXFP4.type,
  ]

  /// The type of that number; nil if it is not read.
  static func numbered(_ id: UInt32) -> GGUFElementType? { all.first { $0.id == id } }

  /// Whether rounding to bf16 keeps every value.
  var isExactInBF16: Bool { id == BF16Block.id || id == MXFP4.id }

  /// A number of a type as messages show it.
  static func name(ofNumber id: UInt32) -> String {
    numbered(id)?.name ?? otherNames[id] ?? "type \(id)"
  }

  /// Names of types that are not read.
  private static let otherNames: [UInt32: String] = [
    4: "Q4_2 (of older files)", 5: "Q4_3 (of older files)", 9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS",
    17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 21: "IQ3_S", 22: "IQ2_S", 24: "I8", 25: "I16",
    26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8",
    34: "TQ1_0", 35: "TQ2_0", 36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8",
    40: "NVFP4",
  ]
}
