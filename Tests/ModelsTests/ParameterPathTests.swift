import Models
import Tensors
import TestSupport
import Testing

/// How tensors are named, here and in other formats.
@Suite struct ParameterPathTests {
  @Test(arguments: ["embedding", "norm", "layers[0].mlp.up", "layers[31].attention.query.bias"])
  func pathsAreSpelledAsTheyAreRead(_ text: String) throws {
    let path = try #require(ParameterPath(text))
    #expect(path.description == text)
  }

  @Test func layersAndRolesAreTold() throws {
    let path = try #require(ParameterPath("layers[12].attention.query"))
    #expect(path.layer == 12 && path.role == .linear(.query))
    #expect(
      ParameterPath(layer: 12, path.role.bias).description == "layers[12].attention.query.bias")
    #expect(ParameterPath("head") == ParameterPath(.head))
  }

  @Test(arguments: ["layers[", "layers[1]", "layers[1].", "layers[x].norm", "layers[-1].norm"])
  func brokenOnesAreNone(_ text: String) { #expect(ParameterPath(text) == nil) }

  /// Every parameter is in one tensor of every format, whose rows its parameters share out.
  @Test(arguments: FamilyCase.all) func foreignTensorsGoBothWays(_ family: FamilyCase) throws {
    let schema = family.configuration.schema
    for format in ForeignFormat.allCases {
      let tensors = schema.tensors(in: format)
      #expect(Set(tensors.map(\.name)).count == tensors.count)
      #expect(tensors.reduce(0) { $0 + $1.parameters.count } == schema.parameters.count)
      for (name, parameters) in tensors {
        var next = 0
        for parameter in parameters {
          let tensor = try #require(parameter.foreignTensors[format])
          #expect(tensor.name == name)
          let rows = tensor.part?.rows ?? 0..<parameter.shape[0]
          #expect(rows == next..<next + parameter.shape[0], "\(name)")
          next = rows.upperBound
          let extents = tensor.extents(of: parameter.shape.extents)
          #expect(extents.dropFirst() == parameter.shape.extents.dropFirst())
        }
        let whole = parameters[0].foreignTensors[format]?.extents(of: parameters[0].shape.extents)
        #expect(whole?.first == next, "\(name)")
      }
    }
  }

  @Test func foreignNamesAreTheirs() {
    let configuration = TinyModel.configuration(
      tiedHead: false, attentionBias: true, outputBias: true, mlpBias: true)
    func names(_ format: ForeignFormat, _ path: String) -> String? {
      ParameterPath(path).flatMap { configuration.schema[$0] }?.foreignTensors[format]?.name
    }
    #expect(
      names(.huggingFace, "layers[1].mlp.down.bias") == "model.layers.1.mlp.down_proj.bias")
    #expect(
      names(.huggingFace, "layers[0].mlp_norm")
        == "model.layers.0.post_attention_layernorm.weight")
    #expect(names(.gguf, "layers[1].attention.output") == "blk.1.attn_output.weight")
    #expect(names(.gguf, "layers[0].mlp_norm") == "blk.0.ffn_norm.weight")
    #expect(names(.gguf, "embedding") == "token_embd.weight")
    #expect(names(.gguf, "head") == "output.weight")
  }

  /// The parameters that a forward pass reads are those of its schema.
  @Test(arguments: FamilyCase.all, [false, true])
  func theForwardPassReadsTheSchema(_ family: FamilyCase, _ tiedHead: Bool) {
    var configuration = family.configuration
    configuration.tiedHead = tiedHead
    let graph = configuration.model.traceLoss(
      batch: 1, tokens: 4, from: 0, elementType: { _ in .f32 })
    let schema = Dictionary(
      uniqueKeysWithValues: configuration.parameters.map { ($0.name, $0) })
    #expect(graph.parameters.count == schema.count)
    for (value, parameter) in graph.parameters {
      #expect(schema[parameter.path]?.shape == graph.type(of: value).shape)
      #expect(schema[parameter.path]?.kind == parameter.kind)
    }
  }

  /// What tests of all families go by has every family.
  @Test func everyFamilyHasACase() {
    #expect(
      Set(FamilyCase.all.map(\.configuration.family)) == Set(ModelFamilies.all.map { $0.name }))
    for family in FamilyCase.all { #expect(family.configuration.problem == nil, "\(family.name)") }
  }
}
