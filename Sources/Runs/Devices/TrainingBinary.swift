import Execution
import Programs
import Recipes
import Records
import Storage
import Tensors
import Training

/// A training run as a folder for a machine without Swift: the compiled step, the text as tokens, and the
/// C sources of a program that trains, with the kernels of this step and no others.
public struct TrainingBinary {
  private let run: PlannedRun
  private let target: DeviceTarget
  private let instructionSet: String
  private let sources: RuntimeSources

  static let bundleName = "train.sfbundle"
  static let textName = "train.sftokens"
  static let kernelsName = "called_kernels.def"

  /// - Throws: `RunsError.unknownInstructionSet`, `.notCompiled`.
  public init(
    _ run: PlannedRun, target: DeviceTarget, instructionSet: String?, sources: RuntimeSources
  ) throws(RunsError) {
    if let (key, advice) = Self.unsupported(run.recipe) {
      throw .notCompiled(key: key, advice: advice)
    }
    self.run = run
    self.target = target
    self.sources = sources
    self.instructionSet = try Self.instructionSet(
      instructionSet ?? (target == .host ? run.prepared.kernels.instructionSet : nil), of: target)
  }

  /// A key that the program in C does not follow, and what to do instead.
  private static func unsupported(_ recipe: Recipe) -> (key: String, advice: String)? {
    if !recipe.deltas.isEmpty {
      return ("deltas", "merge them into the model with apply-delta first")
    }
    if recipe.lossGuard != nil { return ("guard", "finetune does") }
    return recipe.privacy == nil ? nil : ("privacy", "finetune does")
  }

  /// The instruction set that is asked for, or the usual one of a target.
  private static func instructionSet(
    _ name: String?, of target: DeviceTarget
  ) throws(RunsError) -> String {
    let known = target == .host ? Kernels.supported.reversed() : target.instructionSets
    guard let name else { return known.first ?? "portable" }
    guard known.contains(name) else {
      throw .unknownInstructionSet(name, target: target.rawValue, known: known)
    }
    return name
  }

  /// Values in place of the recipe's that the target asks for: whoever has no library for products has
  /// tiles, and products in bf16 are for CPUs that multiply bf16.
  ///
  /// - Throws: `RunsError.unknownInstructionSet`, `RecipeError`.
  public static func overrides(
    recipe path: String, _ overrides: [String], target: DeviceTarget, instructionSet: String?
  ) throws -> [String] {
    let recipe = try Recipe.load(path: path, overrides: overrides)
    let name = try Self.instructionSet(instructionSet, of: target)
    var added = ["run.products=tiles"]
    if recipe.run.precision == .auto, target != .host || instructionSet != nil {
      let multipliesBF16 = ["avx512bf16", "avx512amx", "neonbf16"].contains(name)
      added.append("run.precision=\(multipliesBF16 ? "bf16" : "f32")")
    }
    if !target.hasThreads { added.append("run.threads=1") }
    return added
  }

  /// What was written.
  public struct Report {
    public var bundleBytes: Int
    public var textBytes: Int
    public var kernels: [String]
    public var instructionSet: String
  }

  /// Writes the folder; it is there whole or not at all.
  ///
  /// - Throws: `StorageError.cannotCreate` where something has its name; `TrainingError.unportable`.
  public func write(to path: String) throws -> Report {
    let folder = try AtomicFolder(path: path)
    let file = run.bundleFile
    let bundle = try file.bytes()
    let corpus = run.prepared.corpus
    let text = TokenFile.bytes(
      for: bundle, text: corpus.train, validation: corpus.validation,
      vocabularySize: run.prepared.weights.configuration.vocabularySize)
    try folder.write(bundle, to: Self.bundleName)
    try folder.write(text, to: Self.textName)
    let (files, folders) = try sources.files()
    for name in folders { try folder.makeFolder(name) }
    for source in files { try folder.write(sources.bytes(of: source), to: source.copy) }
    let kernels = file.kernels
    try folder.write(Self.list(kernels), to: Self.kernelsName)
    try folder.write(Array(makefile(files.map(\.copy)).utf8), to: "Makefile")
    try folder.write(Array(readme.utf8), to: "README.md")
    try folder.commit()
    return Report(
      bundleBytes: bundle.count, textBytes: text.count, kernels: kernels,
      instructionSet: instructionSet)
  }

  /// The kernels as a file like `sft_kernels.def`.
  private static func list(_ kernels: [String]) -> [UInt8] {
    let lines = kernels.map { "SFT_KERNEL(\($0))" } + ["#undef SFT_KERNEL"]
    return Array(
      ("// The kernels that the step calls; the program has no others.\n"
        + lines.joined(separator: "\n") + "\n").utf8)
  }

}

extension PlannedRun {
  /// The run's step as a file.
  var bundleFile: BundleFile {
    BundleFile(step, settings, prepared.weights.checkpoint, run: parts)
  }

  /// What the program says and writes that only this one knows.
  private var parts: BundleFile.RunParts {
    var parts = BundleFile.RunParts()
    let progress = RunProgress(
      BatchIdentity(
        sequenceLength: settings.shape.tokens, tokensPerStep: settings.shape.tokensPerStep,
        trainingTokens: prepared.corpus.train.count, seed: recipe.seed,
        shuffles: settings.shuffles))
    let checkpoint = prepared.weights.checkpoint
    parts.state = store.record(base: checkpoint, progress).identity
    parts.delta = store.deltaDescription(base: checkpoint)
    parts.start = start
    parts.plan = [
      "flops_per_token": .number(flopsPerToken),
      "full_flops_per_token": .number(fullFlopsPerToken),
    ]
    parts.plannedBytes = [
      "weights": .int(forecast.weights), "activations": .int(forecast.activations),
      "gradients": .int(forecast.gradients), "optimizer": .int(forecast.optimizer),
      "workspace": .int(forecast.workspace - forecast.runtime - forecast.measuring),
    ]
    parts.caches = prefixCaches
    parts.threads = prepared.pool.threads
    return parts
  }

  /// The first event without what the program says itself, and without what this machine is.
  private var start: JSONObject {
    let own = ["type", "model", "steps", "threads", "instruction_set", "machine"]
    let members = description.json.object?.members ?? []
    return JSONObject(members.filter { !own.contains($0.key) }.map { ($0.key, $0.value) })
  }
}

extension TrainingBinary {
  /// Two lines to edit, and the rest.
  private func makefile(_ files: [String]) -> String {
    let flags = target.flags(for: instructionSet)
    let flagsOfSets = target.instructionSetFlags.map { "FLAGS_\($0) = \($1)\n" }.joined()
    let sources = files.filter { $0.hasSuffix(".c") }
    let kernels = sources.filter { $0.hasPrefix("kernels/") && $0.split(separator: "/").count == 2 }
    let reference = sources.filter { $0.hasPrefix("kernels/reference/") }
    let runtime = sources.filter { $0.hasPrefix("runtime/") }
    func list(_ files: [String]) -> String { files.joined(separator: " \\\n  ") }
    return """
      # The compiler, and the instruction set of the kernels: reference, portable, avx2, avx512,
      # avx512bf16, avx512amx, neon, neonbf16 or rvv.
      CC = \(target.compiler(for: instructionSet))
      ISA = \(instructionSet)

      CFLAGS = -O3
      LDFLAGS = \(flags.linker)
      LIBS = \(flags.libraries)

      \(flagsOfSets)FLAGS = \(flags.compiler)$(FLAGS_$(ISA)) -std=c11 -D_FILE_OFFSET_BITS=64 -Wall -Wextra \\
        -fno-math-errno -fno-trapping-math -fno-strict-aliasing -ffunction-sections -fdata-sections \\
        -I. -Ikernels/include -Iruntime/include -Iruntime \\
        -DSFT_BUILD_ISA=$(ISA) -DSFT_CALLED_KERNELS='"\(Self.kernelsName)"'

      KERNELS_reference = \(list(reference))
      KERNELS = $(or $(KERNELS_$(ISA)),kernels/tuned/$(ISA).c)
      SOURCES = $(KERNELS) \\
        \(list(kernels + runtime))
      OBJECTS = $(SOURCES:.c=.o)

      \(target.binary): $(OBJECTS)
      \t$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--gc-sections $(OBJECTS) -o $@ $(LIBS)

      $(OBJECTS): Makefile \(Self.kernelsName)

      %.o: %.c
      \t$(CC) $(CFLAGS) $(FLAGS) -c $< -o $@

      clean:
      \trm -f \(target.binary) $(OBJECTS)

      .PHONY: clean

      """
  }

  private var readme: String {
    let start = target == .wasm32 ? "wasmtime --dir . train.wasm" : "./train"
    let model = run.recipe.model.absolute.split(separator: "/").last.map(String.init) ?? "model"
    return """
      # A training run

      `\(Self.bundleName)` is a compiled fine-tuning step, `\(Self.textName)` its text as tokens, and the rest
      a program in C that trains it. It needs a C compiler, and the model:

      ```
      make
      \(start) \(Self.bundleName) \(model)
      ```

      The Makefile's first two lines name the compiler and the instruction set. The model is the very
      checkpoint that the run was compiled for; it is not in here. Events go to standard output, one JSON
      object a line, and files to `run/`, or the folder that `--output` names: `best/trained.sfdelta`,
      `last/trained.sfdelta`, and `last/state.sfstate`, from which `--resume` goes on. `--steps N` ends the
      run earlier. Ctrl-C and SIGTERM save and stop.

      Where `sparseft` is, the delta is one like any other:

      ```
      sparseft apply-delta --model \(model) --delta run/best/trained.sfdelta -o tuned.sfckpt
      ```

      `\(Self.textName)` is your text: whoever has it can read it. A delta and the bundle hold none.

      """
  }
}
