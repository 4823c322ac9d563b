import Graphs
import Models
import Tensors
import TestSupport
import Testing

/// Gemma 3's forward pass and its parameters.
@Suite struct Gemma3Tests {
  /// A local block; global ones lack the window and read the other angles.
  @Test func lossOfOneLayer() {
    let graph = TinyModel.gemma3(layers: 1).model.traceLoss(batch: 2, tokens: 7) { _ in .f32 }
    #expect(
      graph.description == """
        %0 = input document_starts : int32[14]
        %3 = constant local_rotary_cosine : f32[7, 6]
        %4 = constant local_rotary_sine : f32[7, 6]
        %5 = input tokens : int32[14]
        %6 = frozen embedding[0..<40] : f32[40, 32]
        %9 = frozen layers[0].attention_norm[0..<32] : f32[32]
        %12 = frozen layers[0].attention.query[0..<48] : f32[48, 32]
        %14 = frozen layers[0].attention.query_norm[0..<12] : f32[12]
        %18 = frozen layers[0].attention.key[0..<12] : f32[12, 32]
        %20 = frozen layers[0].attention.key_norm[0..<12] : f32[12]
        %24 = frozen layers[0].attention.value[0..<12] : f32[12, 32]
        %28 = frozen layers[0].attention.output[0..<32] : f32[32, 48]
        %30 = frozen layers[0].attention_post_norm[0..<32] : f32[32]
        %34 = frozen layers[0].mlp_norm[0..<32] : f32[32]
        %37 = frozen layers[0].mlp.gate[0..<48] : f32[48, 32]
        %39 = frozen layers[0].mlp.up[0..<48] : f32[48, 32]
        %42 = frozen layers[0].mlp.down[0..<32] : f32[32, 48]
        %44 = frozen layers[0].mlp_post_norm[0..<32] : f32[32]
        %48 = frozen norm[0..<32] : f32[32]
        %51 = input targets : int32[14]
        %7 = embedding(%5, %6) : f32[14, 32]  // forward
        %8 = scale factor=5.656854(%7) : f32[14, 32]  // forward
        %10, %11 = rmsnorm(%8, %9) : f32[14, 32], f32[14]  // forward
        %13 = linear(%10, %12) : f32[14, 48]  // forward
        %15, %16 = head_norm(%13, %14) : f32[14, 48], f32[56]  // forward
        %17 = rotary heads=4(%15, %3, %4) : f32[14, 48]  // forward
        %19 = linear(%10, %18) : f32[14, 12]  // forward
        %21, %22 = head_norm(%19, %20) : f32[14, 12], f32[14]  // forward
        %23 = rotary heads=1(%21, %3, %4) : f32[14, 12]  // forward
        %25 = linear(%10, %24) : f32[14, 12]  // forward
        %26, %27 = attention heads=4/1 width=12 tokens=7 window=5 scale=0.25(%17, %23, %25, %0) \
        : f32[14, 48], f32[2, 4, 7]  // forward
        %29 = linear(%26, %28) : f32[14, 32]  // forward
        %31, %32 = rmsnorm(%29, %30) : f32[14, 32], f32[14]  // forward
        %33 = add(%8, %31) : f32[14, 32]  // forward
        %35, %36 = rmsnorm(%33, %34) : f32[14, 32], f32[14]  // forward
        %38 = linear(%35, %37) : f32[14, 48]  // forward
        %40 = linear(%35, %39) : f32[14, 48]  // forward
        %41 = geglu(%38, %40) : f32[14, 48]  // forward
        %43 = linear(%41, %42) : f32[14, 32]  // forward
        %45, %46 = rmsnorm(%43, %44) : f32[14, 32], f32[14]  // forward
        %47 = add(%33, %45) : f32[14, 32]  // forward
        %49, %50 = rmsnorm(%47, %48) : f32[14, 32], f32[14]  // forward
        %52 = head_loss wanted=loss(%49, %6, %51) : f32[14]  // forward
        output loss = %52
        """)
  }

  /// Two local blocks to a global one, each with its window and its angles.
  @Test func blocksAreLocalOrGlobal() {
    let graph = TinyModel.gemma3(layers: 6).model.traceDecoding(rows: 1, capacity: 9) { _ in .f32 }
    let lines = graph.description.split(separator: "\n")
    let attention = lines.filter { $0.contains("attention_cached") }
    #expect(
      attention.map { $0.contains("window=5") } == [true, true, false, true, true, false])
    // %1 and %2 are the global angles, %3 and %4 the local ones.
    let rotary = lines.filter { $0.contains("rotary heads") }
    #expect(rotary.count == 12)
    for (index, line) in rotary.enumerated() {
      #expect(line.contains(index / 2 % 3 == 2 ? ", %1, %2" : ", %3, %4"), "\(line)")
    }
  }

  @Test func foreignTensorsGoBothWays() {
    let schema = TinyModel.gemma3().schema
    for format in ForeignFormat.allCases {
      let named = schema.tensors(in: format)
      #expect(Set(named.map(\.name)).count == schema.parameters.count)
      #expect(named.flatMap(\.parameters) == schema.parameters)
    }
    func tensor(_ path: String, _ format: ForeignFormat) -> ForeignTensor? {
      ParameterPath(path).flatMap { schema[$0]?.foreignTensors[format] }
    }
    let post = tensor("layers[1].mlp_post_norm", .huggingFace)
    #expect(post?.name == "model.layers.1.post_feedforward_layernorm.weight" && post?.offset == 1)
    let gguf = tensor("layers[1].attention_post_norm", .gguf)
    #expect(gguf?.name == "blk.1.post_attention_norm.weight" && gguf?.offset == 0)
    #expect(tensor("layers[0].attention.key_norm", .huggingFace)?.offset == 1)
    #expect(tensor("layers[0].attention.key", .huggingFace)?.offset == 0)
    #expect(tensor("norm", .huggingFace)?.offset == 1)
  }
}
