// swift-tools-version: 6.2
import PackageDescription

/// Tuned C is worth nothing unoptimised, so the kernels are built with -O3 in debug builds too.
let kernelFlags: [CSetting] = [
  .unsafeFlags(["-O3", "-fno-math-errno", "-fno-strict-aliasing", "-Wall"])
]

/// The executor too: calls are microseconds apart.
let runtimeFlags: [CSetting] = [.unsafeFlags(["-O2", "-Wall", "-Wextra"])]

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies)
}

/// What takes a forward pass to a program; tests of its modules use each other's.
let compileTime: [Target.Dependency] = [
  "Adaptations", "Models", "Compilation", "Operations", "Graphs", "Programs", "Tensors",
]

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .testTarget(
    name: "\(name)Tests", dependencies: dependencies + ["TestSupport"], exclude: exclude)
}

let package = Package(
  name: "sparseft",
  products: [.executable(name: "sparseft", targets: ["sparseft"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    // Commands, and what people see.
    .executableTarget(
      name: "sparseft",
      dependencies: [
        "Audits", "Runs", "Pages", "Reports", "Records", "Recipes", "Contributions", "Training",
        "Generation", "Compilation", "Programs", "Execution", "Interchange", "Checkpoints",
        "Models", "Chats",
        "Tokenizers",
        "Storage", "Tensors",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    // What a delta gives away of the text that it was trained on.
    module(
      "Audits",
      [
        "Runs", "Records", "Recipes", "Reports", "Training", "Compilation", "Operations", "Graphs",
        "Programs", "Execution", "Adaptations", "Weights", "Checkpoints", "Models", "Datasets",
        "Chats",
        "Tokenizers", "COpenBLAS", "Storage", "Tensors",
      ]),
    // What commands do, for any program: recipe, decision, plan, run, comparison, evaluation.
    module(
      "Runs",
      [
        "Pages", "Reports", "Records", "Recipes", "Contributions", "Training", "Generation",
        "Adaptations", "Compilation", "Operations", "Programs", "Weights", "Checkpoints", "Models",
        "Tokenizers", "Interchange", "Datasets", "Chats", "Execution", "Storage", "Tensors",
      ]),
    // A run as a page.
    module("Pages", ["Reports", "Records", "Storage", "Tensors"]),
    module("Reports", ["Records", "Storage", "Tensors"]),
    module("Recipes", ["Tensors", "Storage"]),

    // Chooses tensors: short training runs and a search under a budget.
    module(
      "Contributions",
      [
        "Training", "Records", "Adaptations", "Compilation", "Execution", "Programs", "Weights",
        "Checkpoints", "Datasets", "Models", "Storage", "Tensors",
      ]),

    // Run time: the trainer drives compiled programs.
    module(
      "Training",
      [
        "Records", "Adaptations", "Models", "Compilation", "Operations", "Graphs", "Execution",
        "Programs", "Checkpoints", "Weights", "Datasets", "Storage",
        "SystemAllocator", "Tensors",
      ]),
    module(
      "Generation",
      [
        "Adaptations", "Models", "Compilation", "Graphs", "Execution", "Programs", "Weights",
        "Tensors",
      ]),

    // Compile time: from a forward trace to a program, as pure values.
    module("Adaptations", ["Operations", "Graphs", "Programs", "Models", "Tensors"]),
    module("Models", ["Operations", "Graphs", "Storage", "Tensors"]),
    module("Compilation", ["Operations", "Graphs", "Programs", "Tensors"]),
    module("Operations", ["Graphs", "Programs", "Tensors"]),
    module("Graphs", ["Programs", "Tensors"]),

    // Execution of programs.
    module("Execution", ["Programs", "CRuntime", "CKernels", "COpenBLAS", "Tensors"]),
    module("Programs", ["Tensors"]),

    // Files, text and numbers.
    module(
      "Weights",
      ["Adaptations", "Checkpoints", "Execution", "Programs", "Models", "Storage", "Tensors"]),
    // Other programs' files.
    module("Interchange", ["Checkpoints", "Tokenizers", "Models", "Storage", "Tensors"]),
    module("Checkpoints", ["Models", "Storage", "Tensors"]),
    module("Datasets", ["Chats", "Tokenizers", "Records", "Storage", "Tensors"]),
    // How models are told who speaks.
    module("Chats", ["Tokenizers", "Storage", "Tensors"]),
    module("Tokenizers", ["CSentencePiece", "CPCRE2", "Storage", "Tensors"]),
    // What one module writes as JSON and another one reads.
    module("Records", ["Storage", "Tensors"]),
    module("Storage", ["SystemCrypto", "Tensors"]),
    module("Tensors"),

    // C kernels, and system libraries behind thin C headers.
    .target(
      name: "CKernels", cSettings: kernelFlags, linkerSettings: [.linkedLibrary("m")]),
    // Its program `train` is built on devices, from a folder that `sparseft compile` wrote.
    .target(
      name: "CRuntime", dependencies: ["CKernels"], exclude: ["train"], cSettings: runtimeFlags),
    .target(name: "COpenBLAS", dependencies: ["SystemOpenBLAS", "CKernels"]),
    .target(name: "CSentencePiece", dependencies: ["SystemSentencePiece"]),
    .target(name: "CPCRE2", dependencies: ["SystemPCRE2"]),
    // Headers only, so no pkg-config: linking would load OpenBLAS before its core type is chosen.
    .systemLibrary(name: "SystemOpenBLAS", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(
      name: "SystemSentencePiece", pkgConfig: "sentencepiece",
      providers: [.apt(["libsentencepiece-dev"])]),
    .systemLibrary(
      name: "SystemPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
    .systemLibrary(name: "SystemAllocator"),
    .systemLibrary(name: "SystemCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),

    // Tests mirror modules.
    .target(
      name: "TestSupport",
      dependencies: [
        "Training", "Records", "Adaptations", "Compilation", "Execution", "Weights", "Datasets",
        "Tokenizers", "Interchange",
        "Storage", "Tensors", "Models", "Checkpoints",
      ],
      path: "Tests/TestSupport"),
    .target(
      name: "FuzzTargets",
      dependencies: [
        "CRuntime", "Chats", "Checkpoints", "Datasets", "Execution", "Interchange", "Models",
        "Recipes",
        "Records", "Reports", "Runs", "Storage", "Tensors", "TestSupport", "Tokenizers",
      ],
      path: "Tests/FuzzTargets"),
    tests("Fuzz", ["FuzzTargets", "Storage"], exclude: ["Corpus"]),
    tests("Storage", ["Storage", "Tensors"]),
    tests("Records", ["Records", "Storage", "Tensors"], exclude: ["Fixtures"]),
    tests("Checkpoints", ["Checkpoints", "Tokenizers", "Storage", "Models", "Tensors"]),
    tests(
      "Interchange", ["Interchange", "Checkpoints", "Tokenizers", "Storage", "Models", "Tensors"]),
    tests("Tokenizers", ["Tokenizers", "Storage", "Tensors"]),
    tests("Datasets", ["Datasets", "Chats", "Tokenizers", "Storage", "Tensors"]),
    tests("Chats", ["Chats", "Tokenizers", "Storage", "Tensors"]),
    tests(
      "Weights", ["Weights", "Checkpoints", "Programs", "Models", "Storage", "Tensors"]),
    tests("Programs", ["Programs", "Tensors"]),
    // What other compilers build is built by the tests that need it.
    tests("CKernels", ["CKernels", "COpenBLAS", "Programs", "Tensors"], exclude: ["CaseRunner"]),
    tests("Graphs", ["Graphs", "Operations", "Programs", "Tensors"]),
    tests(
      "Operations", ["Operations", "Graphs", "Compilation", "Programs", "Execution", "Tensors"]),
    tests("Compilation", compileTime),
    tests("Models", compileTime),
    tests("Adaptations", compileTime),
    tests("Execution", compileTime + ["Execution", "CKernels"]),
    tests(
      "Training",
      compileTime + [
        "Training", "Records", "Generation", "Execution", "Interchange", "Checkpoints", "Weights",
        "Datasets", "Tokenizers", "Storage", "CRuntime", "CKernels",
      ], exclude: ["Bundles"]),
    tests(
      "Generation",
      compileTime + [
        "Generation", "Execution", "Interchange", "Checkpoints", "Weights", "Tokenizers", "Storage",
      ]),
    tests(
      "Contributions",
      compileTime + [
        "Tokenizers", "Contributions", "Training", "Records", "Execution", "Interchange",
        "Checkpoints", "Weights", "Datasets", "Storage",
      ]),
    tests("Recipes", ["Recipes", "Storage", "Tensors"]),
    tests(
      "Audits",
      [
        "Audits", "Runs", "Records", "Recipes", "Checkpoints", "Datasets", "Models", "Tokenizers",
        "Storage", "Tensors",
      ]),
    tests("Pages", ["Pages", "Reports", "Records", "Storage", "Tensors"]),
    tests("Reports", ["Reports", "Records", "Storage", "Tensors"]),
    tests(
      "Runs",
      [
        "Runs", "Records", "Recipes", "Reports", "Training", "Contributions", "Adaptations",
        "Compilation", "Execution", "Interchange", "Datasets", "Checkpoints", "Tokenizers",
        "Models", "Storage", "Tensors",
      ]),
    tests(
      "sparseft", ["sparseft", "Tokenizers", "Storage", "Checkpoints", "Models", "Tensors"],
      exclude: ["Snapshots", "Faults"]),
  ],
  cxxLanguageStandard: .cxx17
)

// Built by `make fuzz` alone: libFuzzer brings its main function.
if Context.environment["SPARSEFT_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "fuzz", dependencies: ["FuzzTargets"], path: "Tests/Fuzz", exclude: ["run"],
      linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]))
}
