import Models
import Tensors
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

  /// Every parameter has a name of its own in every format, and is found by it.
  @Test func foreignNamesGoBothWays() throws {
    let configuration = ModelConfiguration(
      width: 32, hiddenWidth: 48, layers: 2, queryHeads: 4, keyValueHeads: 2, headWidth: 8,
      vocabularySize: 40, contextLength: 64, tiedHead: false, attentionBias: true,
      outputBias: true, mlpBias: true)
    for format in ForeignFormat.allCases {
      let named = configuration.schema.parameters(namedIn: format)
      #expect(named.count == configuration.parameters.count)
      for parameter in configuration.parameters {
        let name = try #require(parameter.foreignNames[format])
        #expect(named[name] == parameter)
      }
    }
    let names = configuration.schema.parameters(namedIn: .huggingFace)
    #expect(names["model.layers.1.mlp.down_proj.bias"]?.name == "layers[1].mlp.down.bias")
    #expect(names["model.layers.0.post_attention_layernorm.weight"]?.path.role == .mlpNorm)
  }

  /// The parameters that a forward pass reads are those of its schema.
  @Test(arguments: [false, true]) func theForwardPassReadsTheSchema(_ tiedHead: Bool) {
    let configuration = ModelConfiguration(
      width: 32, hiddenWidth: 48, layers: 2, queryHeads: 4, keyValueHeads: 2, headWidth: 8,
      vocabularySize: 40, contextLength: 64, tiedHead: tiedHead, attentionBias: true)
    for family in ModelFamilies.all {
      let graph = family.init(configuration).traceLoss(
        batch: 1, tokens: 4, from: 0, elementType: { _ in .f32 })
      let schema = Dictionary(
        uniqueKeysWithValues: family.schema(configuration).parameters.map { ($0.name, $0) })
      #expect(graph.parameters.count == schema.count)
      for (value, parameter) in graph.parameters {
        #expect(schema[parameter.path]?.shape == graph.type(of: value).shape)
        #expect(schema[parameter.path]?.kind == parameter.kind)
      }
    }
  }
}
