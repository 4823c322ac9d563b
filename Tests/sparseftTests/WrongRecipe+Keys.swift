/// Recipes whose keys or values can't be used.
extension WrongRecipe {
  static let keys = [
    WrongRecipe(
      "no such recipe", exitCode: 66, recipe: "absent.json",
      says: """
        recipe 'absent.json' not found; give the path of a recipe's JSON file
        """),
    WrongRecipe(
      "a folder as recipe", exitCode: 66, recipe: "empty",
      says: """
        recipe 'empty' can't be read: it is a folder
        """),
    WrongRecipe(
      "not JSON", exitCode: 64,
      text: """
        {"model": "tiny.sfckpt",
         "output": run}
        """,
      says: """
        recipe 'recipe.json' is not valid JSON: line 2:12: found 'r', expected a value
        """),
    WrongRecipe(
      "cut short", exitCode: 64,
      text: #"{"model": "tiny.sfckpt", "data": {"#,
      says: """
        recipe 'recipe.json' is not valid JSON: line 1:35: found the end, expected a key in \
        double quotes
        """),
    WrongRecipe(
      "a key twice", exitCode: 64,
      text: #"{"model": "a", "output": "run", "model": "b"}"#,
      says: """
        recipe 'recipe.json' is not valid JSON: line 1:33: the key "model" stands twice
        """),
    WrongRecipe(
      "not an object", exitCode: 64,
      text: "[1, 2]",
      says: """
        recipe 'recipe.json' has 1 problem
          recipe: found a list, expected an object
        """),
    WrongRecipe(
      "empty file", exitCode: 64,
      text: "",
      says: """
        recipe 'recipe.json' is not valid JSON: line 1:1: found the end, expected a value
        """),
    WrongRecipe(
      "nothing given", exitCode: 64,
      text: "{}",
      says: """
        recipe 'recipe.json' has 3 problems
          model: missing; expected a path
          output: missing; expected a path
          data: missing; expected an object
        """),
    WrongRecipe(
      "many problems at once", exitCode: 64,
      text: """
        {"model": 3, "outptu": "run", "seed": -1, "data": {"train": [], "sequence_length": "long"},
         "method": {"type": "lora", "rnak": 4}}
        """,
      says: """
        recipe 'recipe.json' has 7 problems
          model: found 3, expected a path
          output: missing; expected a path
          seed: found -1, expected an integer of at least 0
          data.train: found an empty list, expected a list of at least 1, each a path
          data.sequence_length: found "long", expected an integer from 1 to 1048576
          method.rnak: unknown key; did you mean 'rank'?
          outptu: unknown key; did you mean 'output'?
        """),
    WrongRecipe(
      "unknown key", exitCode: 64,
      overrides: ["optimizer.learning_rat=1e-3"],
      says: """
        recipe 'recipe.json' has 1 problem
          optimizer.learning_rat: unknown key; did you mean 'learning_rate'? (override \
        'optimizer.learning_rat=1e-3')
        """),
    WrongRecipe(
      "key in the wrong place", exitCode: 64,
      overrides: ["learning_rate=1e-3"],
      says: """
        recipe 'recipe.json' has 1 problem
          learning_rate: unknown key; did you mean 'optimizer.learning_rate'? (override \
        'learning_rate=1e-3')
        """),
    WrongRecipe(
      "key of another type", exitCode: 64,
      overrides: ["method.rank=8"],
      says: """
        recipe 'recipe.json' has 1 problem
          method.rank: belongs to type 'lora', this one is 'full'; remove it (override \
        'method.rank=8')
        """),
    WrongRecipe(
      "unknown method", exitCode: 64,
      overrides: ["method.type=lorra"],
      says: """
        recipe 'recipe.json' has 1 problem
          method.type: found "lorra", expected one of 'auto', 'full', 'sparse', 'last_layers', \
        'norms', 'bias', 'tiny_tl', 'ladder', 'lora', 'lora_fa'; did you mean 'lora'? (override 'method.type=lorra')
        """),
    WrongRecipe(
      "unknown optimizer", exitCode: 64,
      overrides: ["optimizer.type=adam"],
      says: """
        recipe 'recipe.json' has 1 problem
          optimizer.type: found "adam", expected one of 'adamw', 'sgd'; did you mean 'adamw'? \
        (override 'optimizer.type=adam')
        """),
    WrongRecipe(
      "learning rate of zero", exitCode: 64,
      overrides: ["optimizer.learning_rate=0"],
      says: """
        recipe 'recipe.json' has 1 problem
          optimizer.learning_rate: found 0, expected a number in (0, 10] or 'auto' (override \
        'optimizer.learning_rate=0')
        """),
    WrongRecipe(
      "learning rate of a control without the control", exitCode: 64,
      overrides: ["optimizer.learning_rate=1000", "optimizer.parameters=int8"],
      says: """
        recipe 'recipe.json' has 1 problem
          optimizer.learning_rate: found 1000, expected a number in (0, 10] or 'auto' (override \
        'optimizer.learning_rate=1000')
        """),
    WrongRecipe(
      "learning rate as text", exitCode: 64,
      overrides: ["optimizer.learning_rate=fast"],
      says: """
        recipe 'recipe.json' has 1 problem
          optimizer.learning_rate: found "fast", expected a number in (0, 10] or 'auto' \
        (override 'optimizer.learning_rate=fast')
        """),
    WrongRecipe(
      "betas of AdamW under SGD", exitCode: 64,
      overrides: ["optimizer.type=sgd", "optimizer.betas=[0.9,0.99]"],
      says: """
        recipe 'recipe.json' has 1 problem
          optimizer.betas: belongs to type 'adamw', this one is 'sgd'; remove it (override \
        'optimizer.betas=[0.9,0.99]')
        """),
    WrongRecipe(
      "one beta", exitCode: 64,
      overrides: ["optimizer.betas=[0.9]"],
      says: """
        recipe 'recipe.json' has 1 problem
          optimizer.betas: found a list, expected two numbers in [0, 1) (override \
        'optimizer.betas=[0.9]')
        """),
    WrongRecipe(
      "validation of everything", exitCode: 64,
      overrides: ["data.validation=1"],
      says: """
        recipe 'recipe.json' has 1 problem
          data.validation: found 1, expected a fraction in [0, 1) or a list of files, folders \
        or globs (override 'data.validation=1')
        """),
    WrongRecipe(
      "threads", exitCode: 64,
      overrides: ["run.threads=0"],
      says: """
        recipe 'recipe.json' has 1 problem
          run.threads: found 0, expected an integer from 1 to 1024 (override 'run.threads=0')
        """),
    WrongRecipe(
      "a cache kept by half", exitCode: 64,
      overrides: ["run.keep_cache=1"],
      says: """
        recipe 'recipe.json' has 1 problem
          run.keep_cache: found 1, expected true or false (override 'run.keep_cache=1')
        """),
    WrongRecipe(
      "batch size with a fraction", exitCode: 64,
      overrides: ["run.batch_size=2.5"],
      says: """
        recipe 'recipe.json' has 1 problem
          run.batch_size: found 2.5, expected an integer from 1 to 65536 (override \
        'run.batch_size=2.5')
        """),
    WrongRecipe(
      "epochs beside steps", exitCode: 64,
      text: """
        {"model": "tiny.sfckpt", "output": "run", "data": {"train": "text.txt"},
         "run": {"epochs": 1, "steps": 2}}
        """,
      says: """
        recipe 'recipe.json' has 1 problem
          run.steps: can't stand beside 'run.epochs'; keep one of the two
        """),
    WrongRecipe(
      "early stopping without validation", exitCode: 64,
      overrides: ["run.early_stopping=2", "data.validation=0"],
      says: """
        recipe 'recipe.json' has 1 problem
          run.early_stopping: needs validations: 'run.validate_every' and 'data.validation' \
        above 0 (override 'run.early_stopping=2')
        """),
    WrongRecipe(
      "sample without prompt", exitCode: 64,
      overrides: ["run.sample={}"],
      says: """
        recipe 'recipe.json' has 1 problem
          run.sample.prompt: missing; expected a string (override 'run.sample={}')
        """),
    WrongRecipe(
      "budget of nothing", exitCode: 64,
      overrides: ["method.type=sparse", "method.budget={}"],
      says: """
        recipe 'recipe.json' has 1 problem
          method.budget: missing; expected 'memory_mb', 'step_flops' or both (override \
        'method.budget={}')
        """),
    WrongRecipe(
      "budget that nothing fits", exitCode: 64,
      overrides: ["method.type=sparse", "method.tensors=last", "method.budget.memory_mb=1"],
      says: """
        nothing fits method.budget; the smallest choice needs N MB (memory_mb) and a \
        step_flops of 0.46
        """),
    WrongRecipe(
      "pattern outside of the model", exitCode: 64,
      overrides: ["method.type=sparse", #"method.tensors={"layers[30-35].attention.output": 1}"#],
      says: """
        recipe 'recipe.json' has 1 problem
          method.tensors 'layers[30-35].attention.output': matches no tensor; this model has \
        layers 0-2
        """),
    WrongRecipe(
      "pattern with a slip", exitCode: 64,
      overrides: ["method.type=sparse", #"method.tensors={"layers[*].atention.output": 1}"#],
      says: """
        recipe 'recipe.json' has 1 problem
          method.tensors 'layers[*].atention.output': matches no tensor; did you mean \
        'layers[*].attention.output'?
        """),
    WrongRecipe(
      "pattern that cannot be read", exitCode: 64,
      overrides: ["method.type=sparse", #"method.tensors={"layers[2-1].mlp.up": 1}"#],
      says: """
        recipe 'recipe.json' has 1 problem
          method.tensors 'layers[2-1].mlp.up': has '[2-1]'; expected [3], [4-5] with 4 ≤ 5, or \
        [*] (override 'method.tensors={"layers[2-1].mlp.up": 1}')
        """),
    WrongRecipe(
      "share above one", exitCode: 64,
      overrides: ["method.type=sparse", #"method.tensors={"norm": 1.5}"#],
      says: """
        recipe 'recipe.json' has 1 problem
          method.tensors 'norm': found 1.5, expected a share in (0, 1] (override \
        'method.tensors={"norm": 1.5}')
        """),
    WrongRecipe(
      "share of a gain", exitCode: 64,
      overrides: ["method.type=sparse", #"method.tensors={"norm": 0.5}"#],
      says: """
        'norm' is a vector and trains whole; its share is 0.5, expected 1
        """),
    WrongRecipe(
      "unknown kind of target", exitCode: 64,
      overrides: ["method.type=lora", #"method.targets=["querry"]"#],
      says: """
        recipe 'recipe.json' has 1 problem
          method.targets[0]: found "querry", expected one of 'query', 'key', 'value', 'output', \
        'gate', 'up', 'down' or a pattern; did you mean 'query'? (override \
        'method.targets=["querry"]')
        """),
    WrongRecipe(
      "target that matches nothing", exitCode: 64,
      overrides: ["method.type=lora", #"method.targets=["layers[9].mlp.up"]"#],
      says: """
        recipe 'recipe.json' has 1 problem
          method.targets 'layers[9].mlp.up': matches no tensor; this model has layers 0-2
        """),
    WrongRecipe(
      "targets without a matrix", exitCode: 64,
      overrides: ["method.type=lora", #"method.targets=["layers[*].mlp_norm"]"#],
      says: """
        method 'lora' leaves nothing to train
        """),
    WrongRecipe(
      "too many last layers", exitCode: 64,
      overrides: ["method.type=last_layers", "method.count=4"],
      says: """
        recipe 'recipe.json' has 1 problem
          method.count: found 4, expected at most 3, the model's layers
        """),
    WrongRecipe(
      "override without path", exitCode: 64,
      overrides: ["=3"],
      says: """
        recipe 'recipe.json' has 1 problem
          recipe: is no key path; expected a form like compare[0].rank (override '=3')
        """),
    WrongRecipe(
      "override of an entry that is not there", exitCode: 64,
      overrides: ["compare[0].rank=4"],
      says: """
        recipe 'recipe.json' has 1 problem
          compare[0].rank: can't be set: compare has no entries (override 'compare[0].rank=4')
        """),
    WrongRecipe(
      "override inside a number", exitCode: 64,
      overrides: ["seed.x=4"],
      says: """
        recipe 'recipe.json' has 1 problem
          seed.x: can't be set: seed is 1, which has no keys (override 'seed.x=4')
        """),
  ]
}
