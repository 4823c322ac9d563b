import Graphs
import Models
import Operations
import Tensors
import Testing

func tinyConfiguration(layers: Int, tiedHead: Bool = false) -> ModelConfiguration {
  ModelConfiguration(
    width: 32, hiddenWidth: 48, layers: layers, queryHeads: 4, keyValueHeads: 2, headWidth: 8,
    vocabularySize: 40, contextLength: 64, tiedHead: tiedHead)
}

/// The traced forward pass reads like the paper.
@Suite struct TraceTests {
  @Test func lossOfOneLayer() {
    let graph = Llama(tinyConfiguration(layers: 1)).traceLoss(batch: 2, tokens: 5) {
      $0.hasSuffix("norm") ? .f32 : .bf16
    }
    #expect(
      graph.description == """
        %0 = input document_starts : int32[10]
        %1 = constant rotary_cosine : f32[5, 4]
        %2 = constant rotary_sine : f32[5, 4]
        %3 = input tokens : int32[10]
        %4 = frozen embedding[0..<40] : bf16[40, 32]
        %6 = frozen layers[0].attention_norm[0..<32] : f32[32]
        %9 = frozen layers[0].attention.query[0..<32] : bf16[32, 32]
        %12 = frozen layers[0].attention.key[0..<16] : bf16[16, 32]
        %15 = frozen layers[0].attention.value[0..<16] : bf16[16, 32]
        %19 = frozen layers[0].attention.output[0..<32] : bf16[32, 32]
        %22 = frozen layers[0].mlp_norm[0..<32] : f32[32]
        %25 = frozen layers[0].mlp.gate[0..<48] : bf16[48, 32]
        %27 = frozen layers[0].mlp.up[0..<48] : bf16[48, 32]
        %30 = frozen layers[0].mlp.down[0..<32] : bf16[32, 48]
        %33 = frozen norm[0..<32] : f32[32]
        %36 = frozen head[0..<40] : bf16[40, 32]
        %37 = input targets : int32[10]
        %5 = embedding(%3, %4) : f32[10, 32]  // forward
        %7, %8 = rmsnorm(%5, %6) : f32[10, 32], f32[10]  // forward
        %10 = linear(%7, %9) : f32[10, 32]  // forward
        %11 = rotary heads=4(%10, %1, %2) : f32[10, 32]  // forward
        %13 = linear(%7, %12) : f32[10, 16]  // forward
        %14 = rotary heads=2(%13, %1, %2) : f32[10, 16]  // forward
        %16 = linear(%7, %15) : f32[10, 16]  // forward
        %17, %18 = attention heads=4/2 width=8 tokens=5(%11, %14, %16, %0) \
        : f32[10, 32], f32[2, 4, 5]  // forward
        %20 = linear(%17, %19) : f32[10, 32]  // forward
        %21 = add(%5, %20) : f32[10, 32]  // forward
        %23, %24 = rmsnorm(%21, %22) : f32[10, 32], f32[10]  // forward
        %26 = linear(%23, %25) : f32[10, 48]  // forward
        %28 = linear(%23, %27) : f32[10, 48]  // forward
        %29 = swiglu(%26, %28) : f32[10, 48]  // forward
        %31 = linear(%29, %30) : f32[10, 32]  // forward
        %32 = add(%21, %31) : f32[10, 32]  // forward
        %34, %35 = rmsnorm(%32, %33) : f32[10, 32], f32[10]  // forward
        %38 = head_loss wanted=loss(%34, %36, %37) : f32[10]  // forward
        output loss = %38
        """)
  }

  @Test func decodingOfOneTiedLayer() {
    let graph = Llama(tinyConfiguration(layers: 1, tiedHead: true)).traceDecoding(
      rows: 1, capacity: 64
    ) { _ in .f32 }
    #expect(
      graph.description == """
        %0 = input position : int32[1]
        %1 = constant rotary_cosine : f32[64, 4]
        %2 = constant rotary_sine : f32[64, 4]
        %3 = input tokens : int32[1]
        %4 = frozen embedding[0..<40] : f32[40, 32]
        %6 = frozen layers[0].attention_norm[0..<32] : f32[32]
        %9 = frozen layers[0].attention.query[0..<32] : f32[32, 32]
        %12 = frozen layers[0].attention.key[0..<16] : f32[16, 32]
        %15 = frozen layers[0].attention.value[0..<16] : f32[16, 32]
        %17 = external layers[0].attention.keys : f32[64, 16]
        %18 = external layers[0].attention.values : f32[64, 16]
        %20 = frozen layers[0].attention.output[0..<32] : f32[32, 32]
        %23 = frozen layers[0].mlp_norm[0..<32] : f32[32]
        %26 = frozen layers[0].mlp.gate[0..<48] : f32[48, 32]
        %28 = frozen layers[0].mlp.up[0..<48] : f32[48, 32]
        %31 = frozen layers[0].mlp.down[0..<32] : f32[32, 48]
        %34 = frozen norm[0..<32] : f32[32]
        %5 = embedding(%3, %4) : f32[1, 32]  // forward
        %7, %8 = rmsnorm(%5, %6) : f32[1, 32], f32[1]  // forward
        %10 = linear(%7, %9) : f32[1, 32]  // forward
        %11 = rotary heads=4(%10, %1, %2, %0) : f32[1, 32]  // forward
        %13 = linear(%7, %12) : f32[1, 16]  // forward
        %14 = rotary heads=2(%13, %1, %2, %0) : f32[1, 16]  // forward
        %16 = linear(%7, %15) : f32[1, 16]  // forward
        cache_store(%14, &%17, %0)  // forward
        cache_store(%16, &%18, %0)  // forward
        %19 = attention_cached(%11, %17, %18, %0) : f32[1, 32]  // forward
        %21 = linear(%19, %20) : f32[1, 32]  // forward
        %22 = add(%5, %21) : f32[1, 32]  // forward
        %24, %25 = rmsnorm(%22, %23) : f32[1, 32], f32[1]  // forward
        %27 = linear(%24, %26) : f32[1, 48]  // forward
        %29 = linear(%24, %28) : f32[1, 48]  // forward
        %30 = swiglu(%27, %29) : f32[1, 48]  // forward
        %32 = linear(%30, %31) : f32[1, 32]  // forward
        %33 = add(%22, %32) : f32[1, 32]  // forward
        %35, %36 = rmsnorm(%33, %34) : f32[1, 32], f32[1]  // forward
        %37 = linear(%35, %4) : f32[1, 40]  // forward
        output logits = %37
        """)
  }

  /// Queries and keys are normalised by their heads before they turn, in windows where there are.
  @Test func attentionOfQwen3() {
    var configuration = tinyConfiguration(layers: 1)
    configuration.family = Qwen3.name
    configuration.queryKeyNorm = true
    configuration.slidingWindow = 3
    let graph = configuration.model.traceLoss(batch: 2, tokens: 5) { _ in .f32 }
    let lines = graph.description.split(separator: "\n").map(String.init)
    #expect(
      lines.filter { $0.contains("_norm[0..<8]") } == [
        "%11 = frozen layers[0].attention.query_norm[0..<8] : f32[8]",
        "%17 = frozen layers[0].attention.key_norm[0..<8] : f32[8]",
      ])
    let attention = lines.drop { !$0.hasPrefix("%10 = linear") }.prefix { !$0.contains("add") }
    #expect(
      attention.joined(separator: "\n") == """
        %10 = linear(%7, %9) : f32[10, 32]  // forward
        %12, %13 = head_norm(%10, %11) : f32[10, 32], f32[40]  // forward
        %14 = rotary heads=4(%12, %1, %2) : f32[10, 32]  // forward
        %16 = linear(%7, %15) : f32[10, 16]  // forward
        %18, %19 = head_norm(%16, %17) : f32[10, 16], f32[20]  // forward
        %20 = rotary heads=2(%18, %1, %2) : f32[10, 16]  // forward
        %22 = linear(%7, %21) : f32[10, 16]  // forward
        %23, %24 = attention heads=4/2 width=8 tokens=5 window=3(%14, %20, %22, %0) \
        : f32[10, 32], f32[2, 4, 5]  // forward
        %26 = linear(%23, %25) : f32[10, 32]  // forward
        """)
  }

  @Test func biasesAppearWhereTheConfigurationHasThem() {
    var configuration = tinyConfiguration(layers: 1)
    configuration.attentionBias = true
    configuration.mlpBias = true
    let graph = Llama(configuration).traceLoss(batch: 1, tokens: 4) { _ in .f32 }
    let biases = graph.parameters.map(\.parameter.path).filter { $0.hasSuffix(".bias") }
    #expect(
      biases == [
        "query", "key", "value",
      ].map { "layers[0].attention.\($0).bias" }
        + ["gate", "up", "down"].map { "layers[0].mlp.\($0).bias" })
  }

  /// Names and shapes of what the model reads are what checkpoints hold.
  @Test(arguments: [false, true])
  func parametersAreTheConfigurations(_ tiedHead: Bool) {
    let configuration = tinyConfiguration(layers: 3, tiedHead: tiedHead)
    let graph = Llama(configuration).traceLoss(batch: 1, tokens: 4) { _ in .f32 }
    let traced = graph.parameters.map { ($0.parameter.path, graph.type(of: $0.value).shape) }
    let known = configuration.parameters.map { ($0.name, $0.shape) }
    #expect(traced.count == known.count)
    #expect(Dictionary(traced) { $1 } == Dictionary(known) { $1 })
  }
}
