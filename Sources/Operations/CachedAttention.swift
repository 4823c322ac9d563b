import Graphs
import Programs
import Tensors

/// Attention of new tokens against a cache of keys and values, for generation.
///
/// Operands: q [rows, Hq·hw], key cache and value cache [capacity, Hkv·hw], position int32 [1].
/// Row i stands at position + i and sees cache rows 0...position + i, of these the last W where the
/// layout has a sliding window W. Result: o [rows, Hq·hw].
public struct CachedAttention: LowerableOperation {
  /// `tokens` is the cache's capacity.
  public var layout: AttentionLayout

  public init(layout: AttentionLayout) { self.layout = layout }

  public var name: String { "attention_cached" }
  public var attributes: [(String, String)] { layout.scoreAttributes }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 4)
    try TypeRule.matrix(operands, 0, columns: layout.queryWidth)
    try TypeRule.require(operands, 1, TensorType([layout.tokens, layout.keyValueWidth]))
    try TypeRule.require(operands, 2, operands[1])
    try TypeRule.require(operands, 3, TensorType([1], .int32))
    return [operands[0]]
  }

  public func lower(into lowering: inout Lowering) {
    lowering.emit(
      "attention_cached", lowering.operands + lowering.results,
      sizes: [
        lowering.operandTypes[0].shape[0], layout.queryHeads, layout.keyValueHeads,
        layout.headWidth, layout.tokens,
      ] + layout.slidingWindow,
      scalars: [layout.scale], items: layout.queryHeads, scratchBytes: 4 * layout.tokens)
  }
}

/// Writes new rows into a cache: cache[position + i] = x[i]. Operands: x [rows, width],
/// cache [capacity, width] (overwritten), position int32 [1]. No result.
public struct CacheStore: LowerableOperation {
  public init() {}

  public var name: String { "cache_store" }
  public var mutatedOperands: [Int] { [1] }

  public func resultTypes(_ operands: [TensorType]) throws(GraphError) -> [TensorType] {
    try TypeRule.count(operands, 3)
    try TypeRule.matrix(operands, 1, columns: operands[0].shape.columns)
    try TypeRule.require(operands, 2, TensorType([1], .int32))
    return []
  }

  public func lower(into lowering: inout Lowering) {
    let cache = lowering.operandTypes[1].shape
    lowering.emit(
      "cache_store", lowering.operands, sizes: [cache[1], cache[0]],
      items: lowering.operandTypes[0].shape[0])
  }
}
