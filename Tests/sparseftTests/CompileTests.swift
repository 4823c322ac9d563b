import Checkpoints
import Storage
import Tensors
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Training binaries as C sources: what a C compiler makes of them trains as `finetune` does.
///
/// The plain loops, so that every compiler gives the same bits, and their build is quick.
@Suite struct CompileTests {
  private static let steps = 6
  private static let shared = [
    "run.steps=\(steps)", "run.products=tiles", "run.threads=2", "run.save_every=4",
    "run.validate_every=3", "data.validation=0.2",
  ]

  /// A recipe, and how the model's matrices are stored.
  private struct Case {
    var name: String
    var method: String
    var elementType = ElementType.f32
    var settings: [String] = []
    /// Whether it is also stopped and resumed, which takes time.
    var resumes = false
  }

  private static let cases = [
    Case(
      name: "full", method: #"{"type": "full"}"#, settings: ["run.accumulation=2"],
      resumes: true),
    Case(name: "lora", method: #"{"type": "lora", "rank": 2}"#, settings: ["optimizer.state=int8"]),
    Case(
      name: "rows",
      method: #"{"type": "sparse", "tensors": {"layers[2].mlp.up": 0.5, "head": 0.25}}"#,
      elementType: .int8, settings: ["run.precision=bf16", "data.sequence_length=24"]),
    Case(
      name: "blocks", method: #"{"type": "last_layers", "count": 1}"#, elementType: .bf16,
      settings: ["run.batch_size=16", "optimizer.parameters=int8", "data.shuffle=false"]),
  ]

  private func workshop(_ type: ElementType, method: String) throws -> Workshop {
    var shop = try Workshop(method: method, elementType: type)
    shop.sparseft.environment = ["SPARSEFT_ISA": "reference"]
    return shop
  }

  private func compile(_ shop: Workshop, _ arguments: [String]) throws {
    try shop.succeed(["compile", "recipe.json", "-o", "board"] + arguments)
  }

  /// Makes a binary with the kernels of several steps, and returns its path.
  private func make(_ folder: TemporaryFolder, kernels: Set<String>) throws -> String {
    let list = kernels.sorted().map { "SFT_KERNEL(\($0))\n" }.joined() + "#undef SFT_KERNEL\n"
    try folder.write(list, to: "board/called_kernels.def")
    var shell = ProgramRunner(folder: folder.path)
    shell.executable = "/bin/sh"
    let built = try shell.run([
      "-c",
      "make -s -C board -j2 CC='gcc -Werror' CFLAGS=-O1 2>&1",
    ])
    try #require(built.exitCode == 0, "\(built.output)\(built.error)")
    return folder["board/train"]
  }

  private func kernels(_ shop: Workshop) throws -> Set<String> {
    let text = String(
      decoding: try shop.folder.read("board/called_kernels.def"), as: UTF8.self)
    return Set(
      text.split(separator: "\n").filter { $0.hasPrefix("SFT_KERNEL(") }.map {
        String($0.dropFirst(11).dropLast())
      })
  }

  private func events(_ outcome: Outcome, _ type: String) throws -> [JSONValue] {
    try outcome.jsonLines().filter { $0["type"]?.string == type }
  }

  /// Same losses, same validations, same bytes of deltas; and each program goes on from the other's
  /// state.
  @Test func aBinaryTrainsAsFinetune() throws {
    var shops: [(Case, Workshop)] = []
    var kernels: Set<String> = []
    for one in Self.cases {
      let shop = try workshop(one.elementType, method: one.method)
      try compile(shop, Self.shared + one.settings)
      kernels.formUnion(try self.kernels(shop))
      shops.append((one, shop))
    }
    let train = try make(shops[0].1.folder, kernels: kernels)
    for (one, shop) in shops {
      let finetune = ["finetune", "recipe.json", "--json"] + Self.shared + one.settings
      var program = shop.sparseft
      program.executable = train
      let arguments = ["board/train.sfbundle", "tiny.sfckpt", "--output", "there"]

      let here = try shop.succeed(finetune)
      let there = try program.run(arguments)
      #expect(there.exitCode == 0, "\(one.name): \(there.error)")
      for key in ["loss", "grad_norm", "learning_rate", "epoch"] {
        let (a, b) = (try events(here, "step"), try events(there, "step"))
        #expect(a.map { $0[key] } == b.map { $0[key] }, "\(one.name): \(key)")
        #expect(b.count == Self.steps)
      }
      #expect(try events(here, "validation") == events(there, "validation"), "\(one.name)")
      for file in ["best/trained.sfdelta", "last/trained.sfdelta"] {
        let (a, b) = (try shop.folder.read("run/" + file), try shop.folder.read("there/" + file))
        #expect(a == b, "\(one.name): \(file)")
      }

      if one.resumes { try checkResuming(one.name, shop, program, arguments, finetune) }
    }
  }

  /// A run that one program is stopped in is finished by the other.
  private func checkResuming(
    _ name: String, _ shop: Workshop, _ program: ProgramRunner, _ arguments: [String],
    _ finetune: [String]
  ) throws {
    let whole = try shop.losses()
    let last = try shop.folder.read("run/last/trained.sfdelta")

    let stopped = try program.run(
      ["board/train.sfbundle", "tiny.sfckpt", "--output", "first"], signal: SIGTERM
    ) { $0.contains(#""step":2,"#) }
    #expect([143, 0].contains(stopped.exitCode), "\(name): \(stopped.error)")
    try shop.succeed(finetune + ["output=first", "--resume"])
    #expect(try shop.losses("first/events.jsonl") == whole, "\(name)")
    #expect(try shop.folder.read("first/last/trained.sfdelta") == last, "\(name)")

    let other = try shop.sparseft.run(finetune + ["output=second"]) { $0.contains(#""step":2,"#) }
    #expect([130, 0].contains(other.exitCode), "\(name): \(other.error)")
    let resumed = try program.run(
      ["board/train.sfbundle", "tiny.sfckpt", "--output", "second", "--resume"])
    #expect(resumed.exitCode == 0, "\(name): \(resumed.error)")
    #expect(try shop.losses("second/events.jsonl") == whole, "\(name)")
    #expect(try shop.folder.read("second/last/trained.sfdelta") == last, "\(name)")
    #expect(shop.leftovers == [])

    // Neither begins anew where a run is, nor goes on with another model.
    let again = try program.run(arguments)
    #expect(again.exitCode == 73, "\(name): \(again.error)")
    // Where nothing is to go on with, no folder is made.
    let absent = try program.run(arguments + ["--output", "fourth", "--resume"])
    #expect(absent.exitCode == 66 && !Folder.exists(shop.folder["fourth"]), "\(absent.error)")
    let missing = try program.run(["board/train.sfbundle", "absent.sfckpt", "--output", "third"])
    #expect(missing.exitCode == 66)
    let wrong = try program.run(["board/train.sfbundle", "board/train.sftokens"])
    #expect(wrong.exitCode == 65)
    #expect(wrong.error.contains("this is no checkpoint"), "\(wrong.error)")
  }

  /// All memory is taken before the first step: with validations, snapshots, frozen blocks' cache, several
  /// threads and a state to go on from.
  @Test func nothingIsAllocatedAfterTheFirstStep() throws {
    let shop = try workshop(.f32, method: #"{"type": "last_layers", "count": 1}"#)
    try compile(
      shop,
      [
        "run.steps=30", "run.products=tiles", "run.threads=2", "run.save_every=4",
        "run.validate_every=3", "data.validation=0.2", "run.batch_size=16",
      ])
    let late = try shop.compileFault("late_requests", "-shared -fPIC")
    let asking = try shop.compileFault("late_request", "-O0")
    var program = shop.sparseft
    program.environment["LD_PRELOAD"] = late
    program.executable = asking
    for request in ["memory", "file", "thread"] {
      #expect(try program.run([request]).exitCode == 99, "\(request)")
    }
    program.executable = try make(shop.folder, kernels: kernels(shop))
    let arguments = ["board/train.sfbundle", "tiny.sfckpt", "--output"]

    let whole = try program.run(arguments + ["whole"])
    #expect(whole.exitCode == 0, "\(whole.error)")
    #expect(try events(whole, "step").count == 30)
    let stopped = try program.run(arguments + ["parts"], signal: SIGTERM) {
      $0.contains(#""step":5,"#)
    }
    #expect([143, 0].contains(stopped.exitCode), "\(stopped.error)")
    let resumed = try program.run(arguments + ["parts", "--resume"])
    #expect(resumed.exitCode == 0, "\(resumed.error)")
    #expect(
      try shop.folder.read("parts/last/trained.sfdelta")
        == shop.folder.read("whole/last/trained.sfdelta"))
  }

  /// What comes of other bytes than those that were checked is not saved, and bytes that are gone end the
  /// program with the file's name.
  @Test func filesThatChangeUnderARun() throws {
    let shop = try workshop(.f32, method: #"{"type": "norms"}"#)
    try compile(
      shop,
      [
        "run.steps=5000", "run.save_every=1000", "run.products=tiles", "run.threads=2",
        "data.validation=0",
      ])
    var program = shop.sparseft
    program.executable = try make(shop.folder, kernels: kernels(shop))
    let model = try shop.folder.read("tiny.sfckpt")
    let text = try shop.folder.read("board/train.sftokens")

    /// Runs until the third step, changes a file there, and lets the run go on.
    func run(
      _ name: String, _ more: [String] = [], change: @escaping () throws -> Void
    ) throws -> Outcome {
      try shop.folder.write(model, to: "tiny.sfckpt")
      try shop.folder.write(text, to: "board/train.sftokens")
      var isChanged = false
      let arguments = ["board/train.sfbundle", "tiny.sfckpt", "--output", name] + more
      return try program.run(arguments) { line in
        if !isChanged, line.contains(#""step":3,"#) {
          isChanged = true
          try? change()
        }
        return false
      }
    }

    let written = try run("written") {
      let file = open(shop.folder["tiny.sfckpt"], O_WRONLY)
      pwrite(file, [0, 0, 0, 0], 4, off_t(model.count - 8))
      close(file)
    }
    #expect(written.exitCode == 74, "\(written.error)")
    #expect(
      written.error.contains(
        "error: reading 'tiny.sfckpt': the file was written to or cut short while it was in use"),
      "\(written.error)")

    let short = try run("short") { truncate(shop.folder["tiny.sfckpt"], 4096) }
    #expect(short.exitCode == 74 && short.signal == nil, "\(short.error)")
    #expect(short.error.contains("tiny.sfckpt': the file was "), "\(short.error)")

    let gone = try run("gone") { truncate(shop.folder["board/train.sftokens"], 0) }
    #expect(gone.exitCode == 74 && gone.signal == nil, "\(gone.error)")
    #expect(
      gone.error.contains("'board/train.sftokens': the file was cut short while it was in use"),
      "\(gone.error)")

    // A new file under the name of the old one leaves the run with the old one.
    let replaced = try run("replaced", ["--steps", "200"]) {
      try shop.folder.write("another", to: "new.sfckpt")
      rename(shop.folder["new.sfckpt"], shop.folder["tiny.sfckpt"])
    }
    #expect(replaced.exitCode == 0, "\(replaced.error)")
    for name in ["written", "short", "gone"] {
      #expect(!Folder.exists(shop.folder["\(name)/best/trained.sfdelta"]), "\(name)")
    }
  }

  /// The program reads the checkpoint alone.
  @Test func startingDeltasAreRefused() throws {
    let shop = try workshop(.f32, method: #"{"type": "norms"}"#)
    try shop.finetune("run.steps=2")
    try shop.succeed(["export-delta", "run", "-o", "start.sfdelta"])
    let outcome = try shop.sparseft(
      "compile", "recipe.json", "-o", "board", #"deltas=["start.sfdelta"]"#)
    #expect(outcome.exitCode == 64)
    #expect(outcome.error.contains("'deltas'") && outcome.error.contains("apply-delta"))
    #expect(!Folder.exists(shop.folder["board"]))
  }

  @Test func aDevicesMemoryIsPlanned() throws {
    let shop = try Workshop(method: #"{"type": "tiny_tl"}"#)
    let plan = try JSONValue.decode(
      try shop.succeed(["plan", "recipe.json", "--device", "--json"]).output, source: "plan")
    let parts = ["bundle_bytes", "text_bytes", "frozen_weight_bytes", "copied_weight_bytes"]
    #expect(plan["flash_bytes"]?.int == parts.reduce(0) { $0 + (plan[$1]?.int ?? 0) })
    #expect(try #require(plan["frozen_weight_bytes"]?.int) > 35_000 * 4 / 2)
    #expect(try #require(plan["arena_bytes"]?.int) > 0)
  }

  @Test func foldersAreNotReplaced() throws {
    let shop = try Workshop()
    try shop.folder.write("mine", to: "board/file")
    let refused = try shop.sparseft("compile", "recipe.json", "-o", "board")
    #expect(refused.exitCode == 73)
    #expect(try shop.folder.read("board/file") == Array("mine".utf8))
    let unknown = try shop.sparseft(
      "compile", "recipe.json", "-o", "new", "--target", "riscv64", "--isa", "neon")
    #expect(unknown.exitCode == 64)
    #expect(unknown.error.contains("portable, rvv, reference"), "\(unknown.error)")
    #expect(!Folder.exists(shop.folder["new"]))
    #expect(shop.leftovers == [])
  }
}
