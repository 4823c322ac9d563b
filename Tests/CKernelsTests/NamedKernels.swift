import Programs
import Tensors

// Kernels with their sizes and scalars by name, in the order of sft_kernels.def. Products are
// `MatrixProduct`s.

extension NamedKernel {
  /// The same kernel, of bf16 values if asked for.
  private static func named(_ name: String, isBF16: Bool) -> String {
    isBF16 ? name + "_bf16" : name
  }

  static func biasAdd(columns: Int, stride: Int, isBF16: Bool = false) -> NamedKernel {
    NamedKernel(named("bias_add", isBF16: isBF16), sizes: [columns, stride])
  }

  static func columnSum(
    rows: Int, stride: Int, accumulates: Bool, isBF16: Bool = false
  ) -> NamedKernel {
    NamedKernel(
      named("column_sum", isBF16: isBF16), sizes: [rows, stride, accumulates ? 1 : 0])
  }

  static func quantiseRows(width: Int, stride: Int) -> NamedKernel {
    NamedKernel("quantise_rows", sizes: [width, stride])
  }

  static func rowScales(_ type: ElementType, width: Int) -> NamedKernel {
    NamedKernel("row_scales_\(type)", sizes: [width])
  }

  static func embedding(
    _ type: ElementType, width: Int, firstRow: Int, rows: Int
  ) -> NamedKernel {
    NamedKernel("embedding_\(type)", sizes: [width, firstRow, rows])
  }

  static func embeddingGradient(
    width: Int, firstRow: Int, rows: Int, tokens: Int, accumulates: Bool
  ) -> NamedKernel {
    NamedKernel(
      "embedding_gradient", sizes: [width, firstRow, rows, tokens, accumulates ? 1 : 0])
  }

  static func rmsnorm(width: Int, epsilon: Float, isBF16: Bool = false) -> NamedKernel {
    NamedKernel(named("rmsnorm", isBF16: isBF16), sizes: [width], scalars: [epsilon])
  }

  static func rmsnormInputGradient(width: Int, accumulates: Bool) -> NamedKernel {
    NamedKernel("rmsnorm_input_gradient", sizes: [width, accumulates ? 1 : 0])
  }

  static func rmsnormGainGradient(width: Int, rows: Int, accumulates: Bool) -> NamedKernel {
    NamedKernel("rmsnorm_gain_gradient", sizes: [width, rows, accumulates ? 1 : 0])
  }

  static func headNorm(width: Int, epsilon: Float) -> NamedKernel {
    NamedKernel("head_norm_bf16", sizes: [width], scalars: [epsilon])
  }

  static func headNormInputGradient(width: Int, accumulates: Bool) -> NamedKernel {
    NamedKernel("head_norm_input_gradient_bf16", sizes: [width, accumulates ? 1 : 0])
  }

  static func headNormGainGradient(width: Int, rows: Int, accumulates: Bool) -> NamedKernel {
    NamedKernel("head_norm_gain_gradient_bf16", sizes: [width, rows, accumulates ? 1 : 0])
  }

  /// - Parameters:
  ///   - tokens: of a window.
  ///   - direction: 1 turns, −1 turns back.
  static func rotary(
    heads: Int, headWidth: Int, tokens: Int, inputStride: Int, outputStride: Int,
    direction: Float, isBF16: Bool = false
  ) -> NamedKernel {
    NamedKernel(
      named("rotary", isBF16: isBF16),
      sizes: [heads, headWidth, tokens, inputStride, outputStride], scalars: [direction])
  }

  static func attentionCached(
    rows: Int, heads: Int, keyValueHeads: Int, headWidth: Int, capacity: Int, scale: Float,
    window: Int? = nil
  ) -> NamedKernel {
    NamedKernel(
      "attention_cached",
      sizes: [rows, heads, keyValueHeads, headWidth, capacity] + (window.map { [$0] } ?? []),
      scalars: [scale])
  }

  static func cacheStore(width: Int, capacity: Int) -> NamedKernel {
    NamedKernel("cache_store", sizes: [width, capacity])
  }

  static func softmaxCrossEntropy(
    vocabulary: Int, wantsGradient: Bool, isBF16: Bool = false
  ) -> NamedKernel {
    NamedKernel(
      named("softmax_cross_entropy", isBF16: isBF16),
      sizes: [vocabulary, wantsGradient ? 1 : 0])
  }

  static func scatterColumns(count: Int, sourceStride: Int, stride: Int) -> NamedKernel {
    NamedKernel("scatter_columns", sizes: [count, sourceStride, stride])
  }

  static func takeColumns(
    count: Int, stride: Int, resultStride: Int, isBF16: Bool = false
  ) -> NamedKernel {
    NamedKernel(
      named("take_columns", isBF16: isBF16), sizes: [count, stride, resultStride])
  }

  static func scale(_ factor: Float) -> NamedKernel { NamedKernel("scale", scalars: [factor]) }

  static func fill(_ value: Float) -> NamedKernel { NamedKernel("fill", scalars: [value]) }

  /// - Parameters:
  ///   - moments: "f32", "bf16", "int8" or "int4".
  ///   - number: tells parameters apart where values are rounded at random.
  static func adamW(
    _ parameter: ElementType, moments: String, number: Int = 0, elements: Int,
    betas: (Float, Float), epsilon: Float, weightDecay: Float
  ) -> NamedKernel {
    NamedKernel(
      "adamw_\(parameter)_\(moments)", sizes: [number, elements],
      scalars: [betas.0, betas.1, epsilon, weightDecay])
  }

  /// - Parameter moments: as of `adamW`.
  static func adamWDirection(
    moments: String, number: Int = 0, elements: Int, betas: (Float, Float), epsilon: Float
  ) -> NamedKernel {
    NamedKernel(
      "adamw_direction_\(moments)", sizes: [number, elements],
      scalars: [betas.0, betas.1, epsilon])
  }

  static func sgdDirection(
    number: Int = 0, width: Int, momentum: Float, weightDecay: Float
  ) -> NamedKernel {
    NamedKernel("sgd_direction_int8", sizes: [number, width], scalars: [momentum, weightDecay])
  }

  /// - Parameter rounding: 0 at random, 1 to the nearest, 2 towards zero.
  static func integerStep(
    number: Int = 0, width: Int, rounding: Int = 0, divides: Bool = true, clips: Bool = false,
    weightDecay: Float = 0, momentum: Float = 1
  ) -> NamedKernel {
    NamedKernel(
      "step_int8", sizes: [number, width, rounding, divides ? 1 : 0, clips ? 1 : 0],
      scalars: [weightDecay, 1 - 1 / momentum])
  }

  static func sgd(momentum: Float, weightDecay: Float) -> NamedKernel {
    NamedKernel("sgd", scalars: [momentum, weightDecay])
  }

  static func squaredNorm(count: Int) -> NamedKernel { NamedKernel("squared_norm", sizes: [count]) }

  static func gradientScores(count: Int) -> NamedKernel {
    NamedKernel("gradient_scores", sizes: [count])
  }

  static func quantisationError(rows: Int, width: Int) -> NamedKernel {
    NamedKernel("quantisation_error", sizes: [rows, width])
  }

  static func columnMagnitudes(rows: Int, width: Int) -> NamedKernel {
    NamedKernel("column_magnitudes", sizes: [rows, width])
  }

  static func clipScale(partials: Int, limit: Float) -> NamedKernel {
    NamedKernel("clip_scale", sizes: [partials], scalars: [limit])
  }
}

/// How attention's operands lie, and how many query rows are in scratch at a time.
struct AttentionSizes {
  /// Of a window.
  var tokens: Int
  var heads: Int
  var keyValueHeads: Int
  var headWidth: Int
  /// From row to row of q, k, v and o.
  var strides: (query: Int, key: Int, value: Int, output: Int)
  var tile: Int
  /// How many tokens each sees at most; nil: all of its document.
  var window: Int? = nil

  func forward(scale: Float, isBF16: Bool = false) -> NamedKernel {
    call(isBF16 ? "attention_bf16" : "attention", scale)
  }

  func gradient(scale: Float, isBF16: Bool = false) -> NamedKernel {
    call(isBF16 ? "attention_gradient_bf16" : "attention_gradient", scale)
  }

  private func call(_ name: String, _ scale: Float) -> NamedKernel {
    NamedKernel(
      name,
      sizes: [
        tokens, heads, keyValueHeads, headWidth, strides.query, strides.key, strides.value,
        strides.output, tile,
      ] + (window.map { [$0] } ?? []), scalars: [scale])
  }
}
