import Storage
import TestSupport
import Testing

/// `plan`.
@Suite struct PlanTests {
  @Test func planSaysWhatARunWillTake() throws {
    let shop = try Workshop()
    let outcome = try shop.succeed(["plan", "recipe.json"])
    #expect(outcome.output.contains("full: trains 35.6 k of 35.6 k parameters"))
    #expect(outcome.output.contains("memory at the peak: "))
    #expect(outcome.output.contains("100 % of full fine-tuning's"))
    #expect(!shop.files.contains("run/events.jsonl"))
  }

  @Test func planAsJSONAgreesWithTheRun() throws {
    let shop = try Workshop(method: #"{"type": "sparse", "tensors": {"layers[2].mlp.*": 1}}"#)
    let outcome = try shop.succeed(["plan", "recipe.json", "--json"])
    let plan = try #require(try outcome.jsonLines().first)
    #expect(try outcome.jsonLines().count == 1)
    #expect(Contract.events["plan"]?.isSubset(of: plan.keys) == true)
    let bytes = try #require(plan["planned_bytes"])
    #expect(Contract.plannedBytes.isSubset(of: bytes.keys))
    let parts = ["weights", "activations", "gradients", "optimizer", "workspace"]
    #expect(parts.compactMap { bytes[$0]?.int }.reduce(0, +) == bytes["total"]?.int)
    #expect(plan["trainable_parameters"]?.int == 3 * 48 * 32)
    let share = try #require(plan["flops_per_token"]?.double)
    #expect(try share < #require(plan["full_flops_per_token"]?.double))

    let run = try shop.finetune("--json").jsonLines()
    let event = try #require(run.first { $0["type"] == "plan" })
    for key in ["arena", "weights", "activations", "gradients", "optimizer"] {
      #expect(event["planned_bytes"]?[key] == bytes[key], "\(key)")
    }
    #expect(event["flops_per_token"] == plan["flops_per_token"])
    let start = try #require(run.first { $0["type"] == "start" })
    #expect(plan["frozen_blocks"]?.int == 2)
    for key in ["frozen_blocks", "prefix_cache_bytes"] { #expect(start[key] == plan[key]) }
    // A step and a pass without the lowest blocks, and what they make of the run.
    let figures = try ["step", "later_step", "validation", "later_validation"].map {
      try #require(plan[$0 + "_seconds"]?.double)
    }
    for figure in figures { #expect(figure > 0 && figure.isFinite) }
    let total = try #require(plan["seconds"]?.double)
    #expect(total > figures[0] + figures[2])
  }

  /// What is kept for the backward pass, by kind, beside other methods: a ladder keeps nothing of the
  /// model's blocks but the streams that it taps, LoRA all that a gradient passes.
  @Test func planSaysWhichActivationsAreKept() throws {
    let shop = try Workshop(method: #"{"type": "ladder", "width": 4, "count": 2}"#)
    let plan = try #require(
      try shop.succeed(["plan", "recipe.json", "--json", "run.precision=f32"]).jsonLines().first)
    let entries = try #require(plan["kept_activations"]?.array)
    #expect(
      entries.map { $0["method"]?.string } == [
        "ladder d4 2 blocks", "lora r8 in the same blocks", "last 2 layers", "full",
      ])
    let parts = ["residual", "norms", "attention", "mlp", "trained_inputs", "branches", "head"]
    var kept: [[String: Int]] = []
    for entry in entries {
      let bytes = try parts.map { try #require(entry[$0]?.int) }
      #expect(entry["total"]?.int == bytes.reduce(0, +))
      kept.append(Dictionary(uniqueKeysWithValues: zip(parts, bytes)))
    }
    #expect(kept[0]["attention"] == 0 && kept[0]["mlp"] == 0)
    let branches = try kept.map { try #require($0["branches"]) }
    #expect(branches[0] > 0 && branches[1] == 0 && branches[2] == 0 && branches[3] == 0)
    for part in ["attention", "mlp"] {
      let (lora, last) = (kept[1][part] ?? 0, kept[2][part] ?? 0)
      #expect(lora > 0 && lora <= last)
      #expect(kept[3][part].map { 2 * $0 == 3 * last } == true, "\(part)")
    }
    #expect(try shop.succeed(["plan", "recipe.json"]).output.contains("activations kept"))
  }

  /// How products are computed is timed once, printed, and kept for the next run.
  @Test func waysOfProductsAreRemembered() throws {
    let shop = try Workshop()
    let arguments = ["recipe.json", "run.batch_size=600", "run.precision=f32"]
    let plan = try #require(try shop.succeed(["plan"] + arguments + ["--json"]).jsonLines().first)
    let products = try #require(plan["products"]?.array)
    var timed = 0
    for product in products {
      let seconds = try #require(product["seconds"]?.object)
      let flops = 2 * ["m", "n", "k"].reduce(1) { $0 * (product[$1]?.int ?? 0) }
      #expect(seconds.count == (flops >= 10_000_000 ? 4 : 0))
      let chosen = try #require(product["chosen"]?.string)
      #expect(seconds.isEmpty ? chosen.hasPrefix("OpenBLAS by ") : seconds.keys.contains(chosen))
      timed += seconds.isEmpty ? 0 : 1
    }
    #expect(timed > 0 && timed < products.count)
    let file = try shop.folder.read("memory/sparseft/products.json")
    let again = try #require(try shop.succeed(["plan"] + arguments + ["--json"]).jsonLines().first)
    #expect(again["products"] == plan["products"])
    let table = try shop.succeed(["plan"] + arguments + ["--products"]).output
    #expect(table.contains("tiles by columns, ms") && table.contains("linear_weight_gradient"))
    let first = try shop.succeed(["finetune"] + arguments + ["--json"]).jsonLines()
    let second = try shop.succeed(["finetune"] + arguments + ["output=again", "--json"]).jsonLines()
    #expect(first.compactMap { $0["loss"] } == second.compactMap { $0["loss"] })
    #expect(try shop.folder.read("memory/sparseft/products.json") == file)
  }

  /// A back-end that the recipe names is used without measuring; what is no memory is measured anew.
  @Test func aNamedBackEndIsNotMeasured() throws {
    let shop = try Workshop()
    let arguments = ["recipe.json", "run.batch_size=600", "run.precision=f32"]
    for (choice, kernel) in [("openblas", "linear_f32"), ("tiles", "tiled_linear_f32")] {
      let table = try shop.succeed(
        ["plan"] + arguments + ["run.products=\(choice)", "--profile"]
      ).output
      let kernels = Set(
        table.split(separator: "\n").compactMap { line in
          line.split(separator: " ").dropFirst().first.map(String.init)
        })
      #expect(kernels.contains(kernel))
      #expect(kernels.intersection(["linear_f32", "tiled_linear_f32"]).count == 1)
    }
    #expect(!Folder.exists(shop.folder["memory"]))
    let file = "memory/sparseft/products.json"
    try shop.folder.write("{ garbled", to: file)
    try shop.succeed(["plan"] + arguments + ["--products"])
    let memory = try shop.json(file)
    #expect(memory.object?.count == 1)
    // What is of another machine stays; what is of another build of this one goes.
    let other = String(decoding: try shop.folder.read(file), as: UTF8.self)
      .replacing("2 threads", with: "64 threads")
    try shop.folder.write(other.replacing(" bytes, ", with: " bits, "), to: file)
    try shop.succeed(["plan"] + arguments + ["--products"])
    let both = try #require(try shop.json(file).object)
    #expect(both.count == 2)
    #expect(
      both.members.map { $0.value["products"]?.array?.count } == [
        memory.object?.members[0].value["products"]?.array?.count,
        memory.object?.members[0].value["products"]?.array?.count,
      ])
  }

  /// Where nothing can be remembered, products are measured by every run.
  @Test func noPlaceForAMemoryIsNoError() throws {
    var shop = try Workshop()
    shop.sparseft.environment["XDG_CACHE_HOME"] = shop.folder["text.txt"]
    let table = try shop.succeed([
      "plan", "recipe.json", "run.batch_size=600", "run.precision=f32", "--products",
    ]).output
    #expect(table.contains("linear_f32"))
  }

  /// The way from full fine-tuning in f32 down to the run ends at what the run takes.
  @Test func theWaterfallEndsAtThePlan() throws {
    let shop = try Workshop(
      method: #"{"type": "sparse", "tensors": {"layers[2].mlp.*": 1}}"#, elementType: .bf16)
    let arguments = ["plan", "recipe.json", "run.precision=bf16", "optimizer.state=bf16"]
    let plan = try #require(try shop.succeed(arguments + ["--json"]).jsonLines().first)
    let measures = try #require(plan["waterfall"]?.array)
    let bytes = try measures.map { try #require($0["bytes"]?.int) }
    #expect(bytes.count == 7)
    // Of so small a model, single measures may cost a little.
    #expect(try #require(bytes.first) > #require(bytes.last))
    #expect(bytes.last == plan["planned_bytes"]?["total"]?.int)
    #expect(plan["precision"]?.string == "bf16")
    let peak = try #require(plan["peak_flops"]?.double)
    #expect(peak > 1e8 && peak < 1e15)
    #expect(try #require(plan["share_of_peak"]?.double) > 0)
    let text = try shop.succeed(arguments).output
    #expect(text.contains("values between products in bf16"))
  }

  /// Under a limit of memory, values are computed again as far as it takes, with the same losses
  /// (in f32; in bf16 they are computed from the residual stream as it is kept, rounded).
  @Test func aMemoryLimitIsKept() throws {
    let shop = try Workshop()
    let arguments = [
      "recipe.json", "run.batch_size=600", "run.steps=2", "run.precision=f32", "--json",
    ]
    func total(_ lines: [JSONValue]) throws -> Int {
      let totals = lines.compactMap { (line) -> Int? in line["planned_bytes"]?["total"]?.int }
      return try #require(totals.first)
    }
    let free = try shop.succeed(["plan"] + arguments).jsonLines()
    let limit = "run.memory_mb=\(Double(try total(free) - 3_000_000) / 1e6)"
    let plan = try shop.succeed(["plan"] + arguments + [limit]).jsonLines()
    #expect(try total(plan) <= total(free) - 3_000_000)
    let measures = plan.first?["waterfall"]?.array?.compactMap { $0["measure"]?.string } ?? []
    #expect(measures.contains { $0.hasSuffix("products or attentions computed again") })
    func losses(_ more: [String]) throws -> [Double] {
      try shop.succeed(["finetune"] + arguments + more).jsonLines()
        .filter { $0["type"]?.string == "step" }.compactMap { $0["loss"]?.double }
    }
    #expect(try losses([limit, "output=a"]) == losses(["output=b"]))
    let outcome = try shop.sparseft.run(["plan", "recipe.json", "run.memory_mb=1"])
    #expect(outcome.exitCode == 64)
    #expect(outcome.error.contains("run.memory_mb is 1.0 and the run needs at least "))
  }

  @Test func theProfileNamesKernels() throws {
    let shop = try Workshop()
    let outcome = try shop.succeed(["plan", "recipe.json", "--profile", "run.precision=bf16"])
    for word in ["bf16_linear_f32", "attention_gradient_bf16", "adamw", "backward"] {
      #expect(outcome.output.contains(word))
    }
  }

  /// Keeping what frozen blocks compute changes time, not figures.
  @Test func prefixCachesDoNotChangeLosses() throws {
    let shop = try Workshop(method: #"{"type": "last_layers", "count": 1}"#)
    let arguments = ["finetune", "recipe.json", "run.steps=12", "run.validate_every=3", "--json"]
    let kept = try shop.succeed(arguments + ["output=kept"]).jsonLines()
    let plain = try shop.succeed(
      arguments + ["output=plain", "run.prefix_cache_mb=0"]
    ).jsonLines()
    #expect(kept.first?["frozen_blocks"]?.int == 2 && plain.first?["frozen_blocks"]?.int == 2)
    #expect(try #require(kept.first?["prefix_cache_bytes"]?.int) > 0)
    #expect(plain.first?["prefix_cache_bytes"]?.int == 0)
    for type in ["step", "validation"] {
      func losses(_ run: [JSONValue]) -> [Double] {
        run.filter { $0["type"]?.string == type }.compactMap { $0["loss"]?.double }
      }
      #expect(losses(kept) == losses(plain) && !losses(kept).isEmpty)
    }
    #expect(shop.files.filter { $0.hasPrefix("kept/cache/") }.count == 1)
    // People are told in one line.
    let told = try shop.succeed([
      "finetune", "recipe.json", "run.steps=12", "output=told",
    ])
    #expect(told.error.contains("the lowest 2 blocks are frozen: computed once for each window"))
    let planned = try shop.succeed(["plan", "recipe.json", "run.prefix_cache_mb=0"])
    #expect(planned.output.contains("the lowest 2 blocks are frozen and computed in every step"))
  }

  @Test func planPrintsTheStagesOfTheCompiler() throws {
    let shop = try Workshop(method: #"{"type": "norms"}"#)
    let outcome = try shop.succeed(["plan", "recipe.json", "--stages"])
    let stages = outcome.lines.filter { $0.hasPrefix("== ") }
    #expect(stages.count >= 4)
    #expect(outcome.output.contains("layers[2].attention_norm"))
    #expect(try shop.succeed(["plan", "recipe.json", "--stages"]).output == outcome.output)
  }
}
