import Recipes
import Storage
import Tensors
import TestSupport
import Testing

/// The recipe of `contract.md`, comments included.
let contractRecipe = """
  {
    "model": "../checkpoints/NAME.sfckpt",
    "output": "../runs/quickstart",
    "seed": 0,
    "data": {
      "train": ["text/"],              // files, folders or globs
      "validation": 0.1,
      "sequence_length": 256,
      "document_separator": null,
      "append_eos": false,
      "shuffle": true
    },
    "method": {
      "type": "sparse",
      "tensors": "auto",
      "budget": { "memory_mb": 300, "step_flops": 0.6 }   /* either or both */
    },
    "compare": [ { "type": "lora", "rank": 8, "alpha": 16, "targets": "all_linear" } ],
    "optimizer": { "type": "adamw", "learning_rate": "auto", "betas": [0.9, 0.95],
      "epsilon": 1e-8, "weight_decay": 0.0, "clip_norm": 1.0 },
    "schedule": { "type": "cosine", "warmup_steps": 20, "final_ratio": 0.1 },
    "run": { "epochs": 2, "batch_size": 8, "accumulation": 1, "threads": 2,
      "validate_every": 50, "save_every": 100, },
  }
  """

/// The least a recipe must say; `extra` goes before the closing brace.
func minimalRecipe(_ extra: String = "") -> String {
  #"{"model": "m.sfckpt", "output": "out", "data": {"train": ["a.txt"]}, \#(extra)}"#
}

/// Decodes text as a recipe that lies in `/home/me/recipes`.
func recipe(_ text: String, _ overrides: String...) throws -> Recipe {
  try Recipe.decode(
    JSONValue.decode(text, .relaxed), file: "recipes/mine.json", folder: "/home/me/recipes",
    overrides: overrides)
}

/// The message for a recipe that is refused, or a note that it was not.
func message(_ text: String, _ overrides: String...) throws -> String {
  do {
    _ = try Recipe.decode(
      JSONValue.decode(text, .relaxed), file: "recipes/mine.json", folder: "/home/me/recipes",
      overrides: overrides)
    return "accepted"
  } catch let error as RecipeError {
    #expect(error.category == .usage)
    return error.description
  }
}

@Suite struct RecipeTests {
  @Test func contractRecipeGivesItsValues() throws {
    let recipe = try recipe(contractRecipe)
    #expect(recipe.model.raw == "../checkpoints/NAME.sfckpt")
    #expect(recipe.model.absolute == "/home/me/checkpoints/NAME.sfckpt")
    #expect(recipe.output.absolute == "/home/me/runs/quickstart")
    #expect(recipe.data.train.map(\.absolute) == ["/home/me/recipes/text"])
    #expect(recipe.data.validation == .fraction(0.1))
    let budget = BudgetRecipe(memoryMegabytes: 300, flopsShare: 0.6)
    #expect(recipe.method == MethodEntry(.sparse(SparseRecipe(tensors: .auto, budget: budget))))
    #expect(budget.memoryBytes == 300_000_000)
    #expect(recipe.compare == [MethodEntry(.lora(LoRARecipe(rank: 8, alpha: 16)))])
    #expect(recipe.optimizer == OptimizerRecipe())
    #expect(recipe.schedule == ScheduleRecipe())
    #expect(recipe.run == RunRecipe())
  }

  @Test func defaultsAreThoseOfTheContract() throws {
    let full = try recipe(
      contractRecipe, "compare=[]", #"method={"type": "auto"}"#,
      "model=/m", "output=/o", "data.train=/t")
    let minimal = try recipe(minimalRecipe(), "model=/m", "output=/o", "data.train=/t")
    #expect(full == minimal)
  }

  @Test func resolvedRecipeIsComplete() throws {
    let expected = """
      {
        "model": "/home/me/recipes/m.sfckpt",
        "deltas": [],
        "output": "/home/me/recipes/out",
        "seed": 0,
        "data": {
          "train": [
            "/home/me/recipes/a.txt"
          ],
          "validation": 0.1,
          "sequence_length": 256,
          "document_separator": null,
          "append_eos": false,
          "train_on": "completions",
          "chat_template": null,
          "long_rows": "split",
          "shuffle": true
        },
        "method": {
          "type": "auto",
          "budget": null,
          "learning_rate": null,
          "label": null
        },
        "compare": [],
        "analysis": {
          "share": 0.1,
          "contributions": null,
          "joint_probes": true,
          "head": true
        },
        "guard": null,
        "optimizer": {
          "type": "adamw",
          "learning_rate": "auto",
          "betas": [
            0.9,
            0.95
          ],
          "epsilon": 1e-08,
          "state": "auto",
          "parameters": "f32",
          "weight_decay": 0.0,
          "clip_norm": 1.0
        },
        "schedule": {
          "type": "cosine",
          "warmup_steps": 20,
          "final_ratio": 0.1
        },
        "run": {
          "epochs": 2,
          "batch_size": 8,
          "accumulation": 1,
          "threads": 2,
          "precision": "auto",
          "products": "auto",
          "kept_gates": "computed",
          "memory_mb": null,
          "validate_every": 50,
          "save_every": 100,
          "early_stopping": "auto",
          "prefix_cache_mb": 4000.0,
          "keep_cache": true,
          "tensorboard": false,
          "sample": null
        },
        "privacy": null
      }
      """
    #expect(try recipe(minimalRecipe()).resolvedJSON.encoded(.pretty) == expected)
  }

  @Test(arguments: [
    #""seed": 7"#,
    #""method": {"type": "auto", "budget": {"step_flops": 0.5}}"#,
    #""run": {"epochs": 3, "early_stopping": null}"#,
    #""method": {"type": "full", "learning_rate": 1e-5, "label": "all of it"}"#,
    #""method": {"type": "norms", "learning_rate": "auto"}"#,
    #""method": {"type": "bias"}"#,
    #""method": {"type": "bias", "count": 3, "targets": ["key", "layers[0-3].mlp.*"]}"#,
    #""method": {"type": "ladder", "width": 16, "count": 4}"#,
    #""method": {"type": "tiny_tl", "units": 32, "count": null, "targets": ["query"]}"#,
    #""method": {"type": "last_layers", "count": 3, "train_head": true}"#,
    #""method": {"type": "sparse", "tensors": {"layers[4-5].*": 1, "layers[*].mlp.up": 0.25}}"#,
    #""method": {"type": "sparse", "tensors": "last", "budget": {"memory_mb": 120.5}}"#,
    #""method": {"type": "lora", "rank": 4, "alpha": 0.5, "targets": "qv"}"#,
    #""method": {"type": "lora", "targets": ["query", "layers[0-3].mlp.*", "head"]}"#,
    #""method": {"type": "lora_fa", "rank": 4}"#,
    #""method": {"type": "full"}, "compare": [{"type": "sparse", "tensors": "random"}]"#,
    #""optimizer": {"type": "sgd", "learning_rate": 0.1, "momentum": 0.9, "clip_norm": null}"#,
    #""optimizer": {"type": "sgd", "parameters": "int8", "rounding": "truncate"}"#,
    #""optimizer": {"parameters": "int8", "qas": false}"#,
    #""optimizer": {"type": "sgd", "parameters": "int8", "momentum": 0.9, "eco": true}"#,
    #""schedule": {"type": "constant", "warmup_steps": 0}"#,
    #""run": {"steps": 20, "early_stopping": 3, "sample": {"prompt": "Once", "top_p": 1}}"#,
    #""run": {"prefix_cache_mb": 0.5}"#,
    #""run": {"keep_cache": false}"#,
    #""run": {"tensorboard": true}"#,
  ])
  func resolvedRecipeLoadsAgainAsEqual(extra: String) throws {
    let first = try recipe(minimalRecipe(extra), "data.validation=[\"v.txt\"]")
    let text = first.resolvedJSON.encoded(.pretty)
    let again = try Recipe.decode(JSONValue.decode(text), file: "again", folder: "/elsewhere")
    #expect(again == first)
    #expect(again.resolvedJSON == first.resolvedJSON)
    #expect(try first != recipe(minimalRecipe()))
  }

  @Test func controlsShareTheBudgetOfTheMethod() throws {
    let recipe = try recipe(
      contractRecipe,
      #"compare=[{"type": "sparse", "tensors": "random"}, {"type": "sparse", "tensors": "last", "budget": {"step_flops": 0.5}}]"#
    )
    let budgets = recipe.compare.map { entry -> BudgetRecipe? in
      entry.method.sparse?.budget
    }
    #expect(budgets[0] == BudgetRecipe(memoryMegabytes: 300, flopsShare: 0.6))
    #expect(budgets[1] == BudgetRecipe(flopsShare: 0.5))
  }

  /// A recipe that an earlier version resolved.
  @Test func theFormerNameOfAShareOfArithmeticIsRead() throws {
    func method(_ budget: String) throws -> Recipe {
      try recipe(minimalRecipe(#""method": {"type": "sparse", "budget": \#(budget)}"#))
    }
    let former = try method(#"{"memory_mb": null, "step_time": 0.7}"#)
    #expect(try former == method(#"{"step_flops": 0.7}"#))
    #expect(former.resolvedJSON["method"]?["budget"]?["step_flops"]?.double == 0.7)
    #expect(former.resolvedJSON["method"]?["budget"]?["step_time"] == nil)
    let memory = try method(#"{"memory_mb": 300, "step_time": null}"#)
    #expect(memory.method.method.sparse?.budget == BudgetRecipe(memoryMegabytes: 300))
  }

  @Test func everyMethodHasItsDefaultsByItsWord() throws {
    #expect(
      MethodRecipe.types == [
        "auto", "full", "sparse", "last_layers", "norms", "bias", "tiny_tl", "ladder", "lora",
        "lora_fa",
      ])
    for type in MethodRecipe.types {
      let method = try #require(MethodRecipe(type: type))
      #expect(method.type == type)
      let read = try recipe(minimalRecipe(#""method": {"type": "\#(type)"}"#))
      #expect(read.method == MethodEntry(method))
    }
    #expect(MethodRecipe(type: "fully") == nil)
    #expect(
      Set(MethodRecipe.types.compactMap(MethodRecipe.init(type:))).count == MethodRecipe.types.count
    )
    for type in MethodRecipe.types {
      let method = try #require(MethodRecipe(type: type))
      #expect(MethodRecipe(method.json) == method)
    }
    #expect(MethodRecipe(["type": "lora", "rank": 0]) == nil && MethodRecipe(.null) == nil)
    #expect(MethodRecipe.lora(LoRARecipe()) != .lora(LoRARecipe(rank: 4)))
  }

  @Test func labelsAreMadeFromSettings() {
    let share = TensorPattern.all.map { PatternShare(pattern: $0, share: 1) }
    let labels = [
      MethodEntry(.full), MethodEntry(.norms), MethodEntry(.lora(LoRARecipe(rank: 4))),
      MethodEntry(.lastLayers(LastLayersRecipe(count: 1))),
      MethodEntry(.lastLayers(LastLayersRecipe())),
      MethodEntry(.sparse(SparseRecipe(tensors: .random))), MethodEntry(.full, label: "mine"),
      MethodEntry(.sparse(SparseRecipe(tensors: .shares(share)))),
      MethodEntry(.bias()), MethodEntry(.bias(BiasRecipe(count: 4, targets: [.kind(.key)]))),
      MethodEntry(.tinyTL(TinyTLRecipe(units: 32, count: 2))),
      MethodEntry(.ladder(LadderRecipe(width: 16, count: 3))),
      MethodEntry(.lora(LoRARecipe(targets: .queryValue))),
      MethodEntry(.lora(LoRARecipe(targets: .attention))),
      MethodEntry(.lora(LoRARecipe(targets: .list([.kind(.query), .kind(.up)])))),
      MethodEntry(.lora(LoRARecipe(targets: .list(LinearKind.allCases.map { .kind($0) })))),
    ].map(\.displayLabel)
    #expect(
      labels == [
        "full", "norms", "lora r4", "last layer", "last 2 layers", "sparse random", "mine",
        "sparse fixed", "bias", "bias 4 blocks key", "tiny_tl r32 2 blocks",
        "ladder d16 3 blocks", "lora r8 qv",
        "lora r8 attention", "lora r8 query+up", "lora r8 7 targets",
      ])
  }
}

extension TensorPattern {
  /// `*`, as a list so that tests need no unwrapping.
  static var all: [TensorPattern] { (try? TensorPattern(parse: "*")).map { [$0] } ?? [] }
}

@Suite struct RecipeLoadTests {
  @Test func pathsStartFromTheRecipesFolder() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write(contractRecipe, to: "recipes/mine.json")
    let recipe = try Recipe.load(path: file, overrides: ["run.steps=3"])
    #expect(recipe.model.absolute.hasSuffix("/checkpoints/NAME.sfckpt"))
    #expect(!recipe.model.absolute.contains(".."))
    #expect(recipe.run.length == .steps(3))
  }

  @Test func pathsAfterANameAreLeftToTheSystem() {
    func absolute(_ raw: String) -> String { RecipePath(raw, relativeTo: "/a/b").absolute }
    #expect(absolute("c") == "/a/b/c")
    #expect(absolute("./c/") == "/a/b/c")
    #expect(absolute("../../../c/*.txt") == "/c/*.txt")
    #expect(absolute("link/../c") == "/a/b/link/../c")
    #expect(absolute("/x/y") == "/x/y")
  }

  @Test func missingFile() throws {
    let folder = try TemporaryFolder()
    let error = #expect(throws: RecipeError.self) { try Recipe.load(path: folder["none.json"]) }
    #expect(error?.category == .missingInput)
    #expect(
      error?.description
        == "recipe '\(folder["none.json"])' not found; give the path of a recipe's JSON file")
  }

  @Test func folderInsteadOfAFile() throws {
    let folder = try TemporaryFolder()
    let error = #expect(throws: RecipeError.self) { try Recipe.load(path: folder.path) }
    #expect(error?.category == .missingInput)
    #expect(error?.description == "recipe '\(folder.path)' can't be read: it is a folder")
  }

  @Test func syntaxErrorHasLineAndColumn() throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("{\n  \"model\": \"m\",\n  \"seed\" 1\n}", to: "r.json")
    let error = #expect(throws: RecipeError.self) { try Recipe.load(path: file) }
    #expect(error?.category == .usage)
    #expect(
      error?.description
        == "recipe '\(file)' is not valid JSON: line 3:10: found '1', "
        + "expected ':' after the key \"seed\"")
  }
}
