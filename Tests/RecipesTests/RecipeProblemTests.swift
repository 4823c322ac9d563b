import Recipes
import Storage
import Testing

@Suite struct RecipeProblemTests {
  @Test func allProblemsAtOnce() throws {
    let text = """
      {
        "model": 3,
        "data": {"train": [], "validation": 1.5, "sequence_lenght": 64, "shuffle": "yes"},
        "method": {"type": "lora", "rank": 0, "targets": ["quary", "layers[5-4].mlp.up"]},
        "compare": [{"type": "lore"}, {"rank": 8}, 5],
        "optimizer": {"learning_rat": 1e-4, "betas": [0.9], "momentum": 0.9, "clip_norm": 0},
        "schedule": {"type": "cosinus", "warmup_steps": 2.5},
        "run": {"epochs": 1, "steps": 10, "sample": {"max_tokens": 5}},
        "colour": "blue"
      }
      """
    let expected = """
      recipe 'recipes/mine.json' has 21 problems
        model: found 3, expected a path
        output: missing; expected a path
        data.train: found an empty list, expected a list of at least 1, each a path
        data.validation: found 1.5, expected a fraction in [0, 1) or a list of files, folders or globs
        data.shuffle: found "yes", expected true or false
        data.sequence_lenght: unknown key; did you mean 'sequence_length'?
        method.rank: found 0, expected an integer from 1 to 4096
        method.targets[0]: found "quary", expected one of 'query', 'key', 'value', 'output', 'gate', 'up', 'down' or a pattern; did you mean 'query'?
        method.targets[1] 'layers[5-4].mlp.up': has '[5-4]'; expected [3], [4-5] with 4 ≤ 5, or [*]
        compare[0].type: found "lore", expected one of 'auto', 'full', 'sparse', 'last_layers', 'norms', 'bias', 'tiny_tl', 'ladder', 'lora', 'lora_fa'; did you mean 'lora'?
        compare[1].type: missing; expected one of 'auto', 'full', 'sparse', 'last_layers', 'norms', 'bias', 'tiny_tl', 'ladder', 'lora', 'lora_fa'
        compare[2]: found 5, expected an object
        optimizer.betas: found a list, expected two numbers in [0, 1)
        optimizer.clip_norm: found 0, expected a number in (0, 1000000]
        optimizer.learning_rat: unknown key; did you mean 'learning_rate'?
        optimizer.momentum: belongs to type 'sgd', this one is 'adamw'; remove it
        schedule.type: found "cosinus", expected one of 'cosine', 'linear', 'constant'; did you mean 'cosine'?
        schedule.warmup_steps: found 2.5, expected an integer from 0 to 1000000000
        run.steps: can't stand beside 'run.epochs'; keep one of the two
        run.sample.prompt: missing; expected a string
        colour: unknown key; known here: model, deltas, output, seed, data, method, compare, analysis, guard, optimizer, schedule, run, privacy
      """
    #expect(try message(text) == expected)
  }

  @Test func oneProblemIsSingular() throws {
    #expect(
      try message(minimalRecipe(#""sead": 1"#)) == """
        recipe 'recipes/mine.json' has 1 problem
          sead: unknown key; did you mean 'seed'?
        """)
  }

  @Test func keyOfAnotherSectionIsFound() throws {
    #expect(
      try message(minimalRecipe(#""learning_rate": 1"#)) == """
        recipe 'recipes/mine.json' has 1 problem
          learning_rate: unknown key; did you mean 'optimizer.learning_rate'?
        """)
  }

  @Test func emptyBudget() throws {
    #expect(
      try message(minimalRecipe(#""method": {"type": "sparse", "budget": {}}"#)) == """
        recipe 'recipes/mine.json' has 1 problem
          method.budget: missing; expected 'memory_mb', 'step_flops' or both
        """)
  }

  @Test func bothNamesOfAShareOfArithmetic() throws {
    let text = minimalRecipe(
      #""method": {"type": "sparse", "budget": {"step_flops": 0.5, "step_time": 0.5}}"#)
    #expect(
      try message(text) == """
        recipe 'recipes/mine.json' has 1 problem
          method.budget.step_time: can't stand beside 'method.budget.step_flops'; keep one of the two
        """)
  }

  @Test func theFormerNameOfAShareIsChecked() throws {
    let text = minimalRecipe(#""method": {"type": "sparse", "budget": {"step_time": 2}}"#)
    #expect(
      try message(text) == """
        recipe 'recipes/mine.json' has 1 problem
          method.budget.step_time: found 2, expected a number in (0, 1]
        """)
  }

  @Test func misspelledBudgetIsOneProblem() throws {
    let text = minimalRecipe(#""method": {"type": "sparse", "budget": {"memory_bm": 3}}"#)
    #expect(
      try message(text) == """
        recipe 'recipes/mine.json' has 1 problem
          method.budget.memory_bm: unknown key; did you mean 'memory_mb'?
        """)
  }

  @Test func sharesAndPatternsAreBothChecked() throws {
    let text = minimalRecipe(
      #""method": {"type": "sparse", "tensors": {"layers[0": 1, "norm": 0, "head": 1.5, "A": "x"}}"#
    )
    #expect(
      try message(text) == """
        recipe 'recipes/mine.json' has 5 problems
          method.tensors 'layers[0': has a '[' without its ']'
          method.tensors 'norm': found 0, expected a share in (0, 1]
          method.tensors 'head': found 1.5, expected a share in (0, 1]
          method.tensors 'A': has a character that no tensor name has; names look like layers[0].mlp.up
          method.tensors 'A': found "x", expected a share in (0, 1]
        """)
  }

  @Test func earlyStoppingNeedsValidations() throws {
    #expect(
      try message(minimalRecipe(#""run": {"early_stopping": 2, "validate_every": 0}"#)) == """
        recipe 'recipes/mine.json' has 1 problem
          run.early_stopping: needs validations: 'run.validate_every' and 'data.validation' above 0
        """)
  }

  @Test(arguments: ["[]", "3", "null", "\"x\""])
  func documentThatIsNoObject(text: String) throws {
    #expect(try message(text).contains("\n  recipe: found "))
    #expect(try message(text).hasSuffix(", expected an object"))
  }

  @Test(arguments: [
    #""run": {"batch_size": 9223372036854775808}"#, #""run": {"batch_size": -1}"#,
    #""run": {"batch_size": 1e300}"#, #""seed": -1"#, #""seed": 1.5"#,
    #""optimizer": {"learning_rate": 0}"#, #""optimizer": {"learning_rate": null}"#,
    #""optimizer": {"betas": [0.9, 1]}"#, #""optimizer": {"betas": [0.9, 0.9, "x"]}"#,
    #""method": {"type": "sparse", "budget": {"memory_mb": 1e300}}"#,
    #""method": {"type": "lora", "targets": []}"#, #""method": {"type": "sparse", "tensors": {}}"#,
  ])
  func extremeValuesAreRefused(extra: String) throws {
    #expect(try message(minimalRecipe(extra)).hasPrefix("recipe 'recipes/mine.json' has 1 problem"))
  }
}

@Suite struct RecipeOverrideTests {
  @Test func valuesAreJSONOrText() throws {
    let recipe = try recipe(
      contractRecipe, "optimizer.learning_rate=1e-4", "run.sample.prompt=Once upon = a time",
      "data.validation=held-out/", "data.document_separator=<|endoftext|>", "compare[0].rank=4",
      "seed=1", "seed=2", "method.label=\"12\"")
    #expect(recipe.optimizer.learningRate == .fixed(1e-4))
    #expect(recipe.run.sample?.prompt == "Once upon = a time")
    #expect(recipe.data.documentSeparator == "<|endoftext|>")
    #expect(recipe.compare.first?.displayLabel == "lora r4")
    #expect(recipe.seed == 2)
    #expect(recipe.method.label == "12")
    guard case .files(let files) = recipe.data.validation else {
      Issue.record("validation is \(recipe.data.validation)")
      return
    }
    #expect(files.map(\.absolute) == ["/home/me/recipes/held-out"])
  }

  @Test(arguments: ["step_flops", "step_time"], ["step_flops", "step_time"])
  func anOverrideTakesThePlaceOfAShareByEitherName(file: String, override: String) throws {
    let text = minimalRecipe(#""method": {"type": "sparse", "budget": {"\#(file)": 0.5}}"#)
    let recipe = try recipe(text, "method.budget.\(override)=0.7")
    #expect(recipe.method.method.sparse?.budget == BudgetRecipe(flopsShare: 0.7))
  }

  @Test func stepsTakeThePlaceOfEpochs() throws {
    #expect(try recipe(contractRecipe, "run.steps=20").run.length == .steps(20))
    #expect(
      try message(contractRecipe, "run.steps=20", "run.epochs=1").contains("run.steps: can't"))
  }

  @Test func typeTakesThePlaceOfTheFormerTypesKeys() throws {
    let lora = try recipe(contractRecipe, "method.type=lora", "method.rank=2")
    #expect(lora.method == MethodEntry(.lora(LoRARecipe(rank: 2))))
    let sgd = try recipe(contractRecipe, "optimizer.type=sgd", "optimizer.momentum=0.5")
    #expect(sgd.optimizer.momentum == 0.5)
    #expect(
      try message(contractRecipe, "method.type=lora", "method.tensors=last") == """
        recipe 'recipes/mine.json' has 1 problem
          method.tensors: belongs to type 'sparse', this one is 'lora'; remove it (override 'method.tensors=last')
        """)
  }

  /// Keys of int8 parameters beside others.
  @Test func keysOfIntegersNeedIntegers() throws {
    let integers = try recipe(
      contractRecipe, "optimizer.parameters=int8", "optimizer.rounding=nearest",
      "optimizer.qas=false")
    #expect(integers.optimizer.rounding == .nearest && !integers.optimizer.qas)
    #expect(
      try message(minimalRecipe(#""optimizer": {"rounding": "nearest", "qas": true}"#)) == """
        recipe 'recipes/mine.json' has 2 problems
          optimizer.rounding: means something with parameters 'int8' only
          optimizer.qas: means something with parameters 'int8' only
        """)
    let bf16 = #""optimizer": {"type": "sgd", "parameters": "bf16"}"#
    #expect(
      try message(minimalRecipe(bf16)) == """
        recipe 'recipes/mine.json' has 1 problem
          optimizer.parameters: found "bf16", expected 'f32' or 'int8', which sgd has kernels for
        """)
  }

  @Test func problemsNameTheOverride() throws {
    #expect(
      try message(
        contractRecipe, "optimizer.learning_rate=fast", "run.stepz=3", "seed.x=1",
        "compare[3].rank=4", "model[0]=x", "quick", "a..b=1", "compare[x].rank=1",
        "compare[0].rank=many")
          == """
          recipe 'recipes/mine.json' has 9 problems
            seed.x: can't be set: seed is 0, which has no keys (override 'seed.x=1')
            compare[3].rank: can't be set: compare has 1 entry (override 'compare[3].rank=4')
            model[0]: can't be set: model is "../checkpoints/NAME.sfckpt", not a list (override 'model[0]=x')
            quick: is no override; expected key=value
            a..b: is no key path; expected a form like compare[0].rank (override 'a..b=1')
            compare[x].rank: is no key path; expected a form like compare[0].rank (override 'compare[x].rank=1')
            compare[0].rank: found "many", expected an integer from 1 to 4096 (override 'compare[0].rank=many')
            optimizer.learning_rate: found "fast", expected a number in (0, 10] or 'auto' (override 'optimizer.learning_rate=fast')
            run.stepz: unknown key; did you mean 'steps'? (override 'run.stepz=3')
          """)
  }

  @Test func endlessPathIsRefused() throws {
    let path = String(repeating: "a.", count: 50_000) + "a"
    #expect(try message(contractRecipe, path + "=1").contains("is no key path"))
  }
}
