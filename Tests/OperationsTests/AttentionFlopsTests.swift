import Graphs
import Operations
import Tensors
import Testing

/// Arithmetic is counted for the pairs of tokens that see each other, and for no others.
@Suite struct AttentionFlopsTests {
  @Test(arguments: [nil, 1, 3, 7, 8, 100] as [Int?]) func countsWhatIsSeen(window: Int?) {
    let (windows, tokens, heads, width) = (3, 7, 4, 6)
    let layout = AttentionLayout(
      tokens: tokens, queryHeads: heads, keyValueHeads: 2, headWidth: width, window: window)
    let pairs = (0..<tokens).reduce(0) { $0 + min($1 + 1, window ?? tokens) }
    let rows = windows * tokens
    let operands = [
      TensorType([rows, heads * width]), TensorType([rows, 2 * width]),
      TensorType([rows, 2 * width]), TensorType([rows], .int32),
    ]
    // Two matmuls of two operations for each pair, head and element.
    #expect(Attention(layout: layout).flops(operands) == 4 * windows * pairs * heads * width)
  }
}
