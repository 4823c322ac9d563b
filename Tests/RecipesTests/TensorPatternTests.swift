import Recipes
import Testing

@Suite struct TensorPatternTests {
  @Test(arguments: [
    ("*", "layers[0].mlp.up", true),
    ("*", "norm", true),
    ("norm", "norm", true),
    ("norm", "layers[0].attention_norm", false),
    ("*norm", "layers[0].attention_norm", true),
    ("layers[4-5].attention.output", "layers[4].attention.output", true),
    ("layers[4-5].attention.output", "layers[5].attention.output", true),
    ("layers[4-5].attention.output", "layers[6].attention.output", false),
    ("layers[4-5].attention.output", "layers[45].attention.output", false),
    ("layers[4-5].attention.output", "layers[4].attention.output.bias", false),
    ("layers[9-11].mlp.up", "layers[10].mlp.up", true),
    ("layers[1].mlp.up", "layers[11].mlp.up", false),
    ("layers[*].mlp.up", "layers[123].mlp.up", true),
    ("layers[*].mlp.up", "layers[1].mlp.gate", false),
    ("layers[*].mlp.up", "layers[].mlp.up", false),
    ("layers[0-3].*", "layers[3].attention.query", true),
    ("layers[0-3].*", "layers[4].attention.query", false),
    ("layers[0-3].*", "norm", false),
    ("*.mlp.*", "layers[0].mlp.up", true),
    ("*[2]*up", "layers[2].mlp.up", true),
    ("*[2]*up", "layers[1].mlp.up", false),
    ("a*", "", false),
  ])
  func matching(pattern: String, name: String, expected: Bool) throws {
    #expect(try TensorPattern(parse: pattern).matches(name) == expected)
  }

  @Test func manyStarsTakeLittleTime() throws {
    let pattern = try TensorPattern(parse: String(repeating: "*a", count: 60) + "b")
    #expect(!pattern.matches(String(repeating: "a", count: 2000)))
  }

  @Test(arguments: [
    ("", "is empty; '*' matches every tensor"),
    ("layers[3", "has a '[' without its ']'"),
    ("layers[].mlp", "has '[]'; expected [3], [4-5] with 4 ≤ 5, or [*]"),
    ("layers[5-4].mlp", "has '[5-4]'; expected [3], [4-5] with 4 ≤ 5, or [*]"),
    ("layers[-1].mlp", "has '[-1]'; expected [3], [4-5] with 4 ≤ 5, or [*]"),
    ("layers[1-2-3].mlp", "has '[1-2-3]'; expected [3], [4-5] with 4 ≤ 5, or [*]"),
    (
      "layers[99999999999999999999].mlp",
      "has '[99999999999999999999]'; expected [3], [4-5] with 4 ≤ 5, or [*]"
    ),
    (
      "layers(0)", "has a character that no tensor name has; names look like layers[0].mlp.up"
    ),
    ("x]", "has a character that no tensor name has; names look like layers[0].mlp.up"),
  ])
  func refused(text: String, reason: String) {
    let error = #expect(throws: RecipeError.self) { try TensorPattern(parse: text) }
    #expect(error?.description == "tensor pattern '\(text)': \(reason)")
    #expect(error?.category == .usage)
  }

  /// A small model's names: two tensors in each of 22 layers.
  static let names =
    ["embedding"] + (0..<22).flatMap { ["layers[\($0)].attention.output", "layers[\($0)].mlp.up"] }
    + ["norm"]

  @Test func patternsAreCheckedAgainstAModel() throws {
    let patterns = try [
      "layers[4-5].attention.output", "layers[30-35].attention.output", "layers[0].mlp.upp",
      "mlp.up", "embeding", "*", "quite_another",
    ].map { try TensorPattern(parse: $0) }
    let problems = TensorPattern.validate(
      patterns, at: "method.tensors", names: Self.names, layers: 22)
    #expect(
      RecipeError.problems(file: "recipes/mine.json", problems).description == """
        recipe 'recipes/mine.json' has 5 problems
          method.tensors 'layers[30-35].attention.output': matches no tensor; this model has layers 0-21
          method.tensors 'layers[0].mlp.upp': matches no tensor; did you mean 'layers[0].mlp.up'?
          method.tensors 'mlp.up': matches no tensor; did you mean 'layers[*].mlp.up'?
          method.tensors 'embeding': matches no tensor; did you mean 'embedding'?
          method.tensors 'quite_another': matches no tensor; this model has layers 0-21
        """)
  }

  @Test func recipeIsCheckedAgainstAModel() throws {
    let recipe = try recipe(
      minimalRecipe(
        """
        "method": {"type": "sparse", "tensors": {"layers[22].mlp.up": 1, "norm": 1}},
        "compare": [{"type": "last_layers", "count": 23}, {"type": "lora", "targets": ["up"]},
          {"type": "lora", "targets": ["gate"]}, {"type": "full"}]
        """))
    let problems = recipe.problems(names: Self.names, layers: 22)
    #expect(
      problems.map(\.description) == [
        "method.tensors 'layers[22].mlp.up': matches no tensor; this model has layers 0-21",
        "compare[0].count: found 23, expected at most 22, the model's layers",
        "compare[2].targets 'layers[*].mlp.gate': matches no tensor; this model has layers 0-21",
      ])
  }

  /// A tied model has no head of its own: only its name in full stands for one.
  @Test func theHeadOfATiedModelMustBeSpelledOut() throws {
    let recipe = try recipe(
      minimalRecipe(
        """
        "method": {"type": "sparse", "tensors": {"head": 0.5, "*": 1}},
        "compare": [{"type": "sparse", "tensors": {"h*": 1, "heat": 1}},
          {"type": "lora", "targets": ["head"]}]
        """))
    let tied = recipe.problems(names: Self.names, layers: 22)
    #expect(
      tied.map(\.description) == [
        "compare[0].tensors 'h*': matches no tensor; did you mean 'head'?",
        "compare[0].tensors 'heat': matches no tensor; did you mean 'head'?",
        "compare[1].targets 'head': matches no tensor; this model has layers 0-21",
      ])
    let untied = recipe.problems(names: Self.names + ["head"], layers: 22)
    #expect(
      untied.map(\.description) == [
        "compare[0].tensors 'heat': matches no tensor; did you mean 'head'?"
      ])
    #expect(try TensorPattern(parse: "head").spellsOut("head"))
    #expect(try !TensorPattern(parse: "*").spellsOut("head"))
  }

  @Test func targetsNameTensors() {
    let all = LoRATargets.allLinear
    #expect(all.matches("layers[3].attention.query"))
    #expect(all.matches("layers[3].mlp.down"))
    #expect(!all.matches("layers[3].mlp_norm"))
    #expect(!all.matches("head"))
    #expect(!LoRATargets.attention.matches("layers[3].mlp.down"))
    #expect(!LoRATargets.queryValue.matches("layers[3].attention.key"))
    #expect(LoRATargets.list([.kind(.gate)]).matches("layers[0].mlp.gate"))
  }
}
